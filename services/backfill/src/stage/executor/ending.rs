//! A request from its admission to its end, and what became of its own range, whoever else its fetch served.

use std::collections::BTreeMap;

use contracts::RangeRequest;
use contracts::events::ERRORS_MAX;
use domain::{Bar, DataType, Interval, IntervalSet, Priority, Symbol, Timeframe};
use pipeline::RecordId;

use crate::rules::answered::{Attempt, Identity};
use crate::rules::coalesce::Wanted;

/// Characters of an error that are kept: a fault may quote its input.
const ERROR_MAX_CHARS: usize = 1_000;

/// A kind of data and, of bars, their timeframe.
pub(super) type Part = (DataType, Option<Timeframe>);

/// A held request.
pub(super) struct Request {
    pub(super) id: RecordId,
    pub(super) event: RangeRequest,
    pub(super) symbol: Symbol,
    pub(super) range: Interval,
    pub(super) priority: Priority,
    pub(super) identity: Identity,
    /// What its end is called: its own attempt, or a later one when that has ended already.
    pub(super) attempt: Attempt,
    /// What a source has of what it asks for; the rest is among its errors from the start.
    pub(super) served: Vec<(DataType, Vec<Option<Timeframe>>)>,
    pub(super) traceparent: Option<String>,
    /// Wall clock at its arrival, microseconds.
    pub(super) received_at: i64,
    pub(super) tally: Tally,
}

/// What has become of a request's range so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Records written, by kind.
    pub(super) records: BTreeMap<DataType, i64>,
    /// What was fetched.
    pub(super) fetched: BTreeMap<Part, IntervalSet>,
    /// What was covered already when its fetch began.
    pub(super) skipped: BTreeMap<Part, IntervalSet>,
    /// The first hundred, of bounded length.
    pub(super) errors: Vec<String>,
    /// All of them.
    pub(super) error_count: i32,
    /// Calls to sources.
    pub(super) calls: i32,
    /// A source refused for good.
    pub(super) refused: bool,
    /// All attempts at a chunk failed.
    pub(super) exhausted: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All that a source could have of it is covered now.
    Success,
    /// Some of it is; the errors say what isn't.
    Partial,
    /// Nothing was served: no source has the data.
    NoSource,
    /// Nothing was served: the source refused for good.
    Refused,
    /// Nothing was served: all attempts failed.
    Exhausted,
}

impl Request {
    /// As fetches are asked for.
    pub(super) fn wanted(&self) -> Wanted<RecordId> {
        Wanted {
            id: self.id,
            symbol: self.symbol,
            range: self.range,
            priority: self.priority,
            data: self.served.clone(),
        }
    }

    /// What of `range` of this kind of data it has asked for.
    fn share(&self, part: Part, range: Interval) -> Option<Interval> {
        let (data_type, timeframe) = part;
        let wants =
            |(kind, timeframes): &(DataType, Vec<_>)| *kind == data_type && timeframes.contains(&timeframe);
        self.served.iter().any(wants).then(|| self.range.intersection(range)).flatten()
    }

    /// This much was covered when its fetch began.
    pub(super) fn skipped(&mut self, part: Part, covered: Interval) {
        if let Some(share) = self.share(part, covered) {
            self.tally.skipped.entry(part).or_default().insert(share);
        }
    }

    /// A chunk was fetched, after so many calls.
    pub(super) fn fetched(&mut self, part: Part, chunk: Interval, bars: &[Bar], calls: u32) {
        let Some(share) = self.share(part, chunk) else { return };
        let records = bars.iter().filter(|bar| share.contains(bar.open_time)).count();
        self.tally.called(calls);
        self.tally.fetched.entry(part).or_default().insert(share);
        *self.tally.records.entry(part.0).or_default() += i64::try_from(records).unwrap_or(i64::MAX);
    }

    /// A chunk was given up, after so many calls.
    pub(super) fn gave_up(
        &mut self,
        part: Part,
        chunk: Interval,
        error: &str,
        is_retryable: bool,
        calls: u32,
    ) {
        if self.share(part, chunk).is_none() {
            return;
        }
        self.tally.called(calls);
        self.tally.exhausted |= is_retryable;
        self.tally.refused |= !is_retryable;
        self.tally.error(error);
    }
}

impl Tally {
    pub(super) fn error(&mut self, text: &str) {
        self.error_count = self.error_count.saturating_add(1);
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(text.chars().take(ERROR_MAX_CHARS).collect());
        }
    }

    /// Failed only if nothing could be served: what was covered already is served.
    pub(super) fn ending(&self) -> Ending {
        let served = !self.fetched.is_empty() || !self.skipped.is_empty();
        match (self.error_count, served) {
            (0, _) => Ending::Success,
            (_, true) => Ending::Partial,
            (_, false) if self.exhausted => Ending::Exhausted,
            (_, false) if self.refused => Ending::Refused,
            (_, false) => Ending::NoSource,
        }
    }

    fn called(&mut self, calls: u32) {
        self.calls = self.calls.saturating_add(i32::try_from(calls).unwrap_or(i32::MAX));
    }
}
