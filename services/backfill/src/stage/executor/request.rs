//! State of a held request: its content, and the results for its own range, independent of the other requests of its fetches.

use std::collections::BTreeMap;

use contracts::events::ERRORS_MAX;
use contracts::{BackfillErrorClass, RangeRequest};
use domain::{Bar, DataType, Interval, IntervalSet, Priority, Symbol, Timeframe};
use kit::SaturatingFrom;
use pipeline::RecordId;

use crate::rules::attempts::{Attempt, Identity};
use crate::rules::coalescer::Demand;

/// The maximum number of characters of an error text, which may contain input.
const ERROR_MAX_CHARS: usize = 1_000;

/// A data type and its timeframe. The timeframe is `None` for data without timeframes.
pub(super) type Part = (DataType, Option<Timeframe>);

/// A held request.
pub(super) struct Request {
    pub(super) id: RecordId,
    pub(super) event: RangeRequest,
    pub(super) symbol: Symbol,
    pub(super) range: Interval,
    pub(super) priority: Priority,
    pub(super) identity: Identity,
    /// The attempt of the terminal event: the requested one, or a later one if that has ended already.
    pub(super) attempt: Attempt,
    /// The requested series that the source serves. `tally` has an error for each of the others.
    pub(super) served: Vec<(DataType, Vec<Option<Timeframe>>)>,
    pub(super) traceparent: Option<String>,
    /// The wall clock at arrival, in microseconds.
    pub(super) received_at: i64,
    pub(super) tally: Tally,
}

/// The results of a request so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of written records per data type.
    pub(super) records: BTreeMap<DataType, i64>,
    pub(super) fetched: BTreeMap<Part, IntervalSet>,
    /// The intervals that were covered before the fetch started.
    pub(super) skipped: BTreeMap<Part, IntervalSet>,
    /// The first hundred errors, each of bounded length.
    pub(super) errors: Vec<String>,
    /// The number of all errors.
    pub(super) error_count: i32,
    /// The number of calls to the source.
    pub(super) calls: i32,
    /// A permanent error occurred.
    is_rejected: bool,
    /// All attempts at a chunk failed.
    is_exhausted: bool,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything that the source may have of the request is covered.
    Success,
    /// A part is covered; the errors name the rest.
    Partial,
    /// Nothing was served: no source has the data.
    NoSource,
    /// Nothing was served: a permanent error.
    Rejected,
    /// Nothing was served: all attempts failed.
    Exhausted,
}

/// The reason for the failure of a request.
pub(super) struct FailureReason {
    pub(super) class: BackfillErrorClass,
    pub(super) is_retryable: bool,
    pub(super) error: String,
}

impl Request {
    pub(super) fn demand(&self) -> Demand<RecordId> {
        Demand {
            id: self.id,
            symbol: self.symbol,
            range: self.range,
            priority: self.priority,
            data: self.served.clone(),
        }
    }

    /// Returns the part of `range` that the request contains. `None` if it does not contain the series, or nothing of the range.
    fn share_of(&self, part: Part, range: Interval) -> Option<Interval> {
        let (data_type, timeframe) = part;
        let contains =
            |(kind, timeframes): &(DataType, Vec<_>)| *kind == data_type && timeframes.contains(&timeframe);
        self.served.iter().any(contains).then(|| self.range.intersection(range)).flatten()
    }

    /// Records an interval that was covered before the fetch started.
    pub(super) fn skipped(&mut self, part: Part, covered: Interval) {
        if let Some(share) = self.share_of(part, covered) {
            self.tally.skipped.entry(part).or_default().insert(share);
        }
    }

    /// Records a fetched chunk and the number of calls for it.
    pub(super) fn fetched(&mut self, part: Part, chunk: Interval, bars: &[Bar], calls: u32) {
        let Some(share) = self.share_of(part, chunk) else { return };
        let records = bars.iter().filter(|bar| share.contains(bar.open_time)).count();
        self.tally.add_calls(calls);
        self.tally.fetched.entry(part).or_default().insert(share);
        *self.tally.records.entry(part.0).or_default() += i64::saturating_from(records);
    }

    /// Records a failed chunk and the number of calls for it.
    pub(super) fn failed(
        &mut self,
        part: Part,
        chunk: Interval,
        error: &str,
        is_retryable: bool,
        calls: u32,
    ) {
        if self.share_of(part, chunk).is_none() {
            return;
        }
        self.tally.add_calls(calls);
        self.tally.is_exhausted |= is_retryable;
        self.tally.is_rejected |= !is_retryable;
        self.tally.add_error(error);
    }
}

impl Tally {
    pub(super) fn add_error(&mut self, text: &str) {
        self.error_count = self.error_count.saturating_add(1);
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(text.chars().take(ERROR_MAX_CHARS).collect());
        }
    }

    /// Returns the first error and the number of the others.
    pub(super) fn error_summary(&self) -> String {
        let first = self.errors.first().cloned().unwrap_or_default();
        if self.error_count > 1 { format!("{first}; and {} more", self.error_count - 1) } else { first }
    }

    /// Returns the outcome. A request fails only if nothing was served; what was covered already is served.
    pub(super) fn ending(&self) -> Ending {
        let served = !self.fetched.is_empty() || !self.skipped.is_empty();
        match (self.error_count, served) {
            (0, _) => Ending::Success,
            (_, true) => Ending::Partial,
            (_, false) if self.is_exhausted => Ending::Exhausted,
            (_, false) if self.is_rejected => Ending::Rejected,
            (_, false) => Ending::NoSource,
        }
    }

    fn add_calls(&mut self, calls: u32) {
        self.calls = self.calls.saturating_add(i32::saturating_from(calls));
    }
}
