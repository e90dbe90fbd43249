//! State of a held request: its content, and the results for its own range, independent of the other requests of its fetches.

use std::collections::{BTreeMap, BTreeSet};

use contracts::bounds::cut;
use contracts::events::ERRORS_MAX;
use contracts::{BackfillErrorClass, RangeRequest};
use domain::{DataType, Interval, IntervalSet, Priority, Symbol, Timeframe};
use kit::SaturatingFrom;
use pipeline::RecordId;

use crate::rules::attempts::{Attempt, Identity};
use crate::rules::coalescer::Demand;
use crate::rules::expected_bars::day_bar_defects;
use crate::rules::series::Series;
use crate::sources::{Defects, Records, Rejected, within};

/// The maximum number of bytes of an error text, which may contain input.
pub(super) const ERROR_BYTES_MAX: usize = 1_000;

/// The maximum number of rows of a file that the errors list.
const FILE_ROWS_MAX: usize = 20;

const DUPLICATE_BARS: &str = "duplicate_bars";
const REJECTED_ROWS: &str = "rejected_rows";
const MISSING_BARS: &str = "missing_bars";
const OFF_CALENDAR_BARS: &str = "off_calendar_bars";

/// A data type and its timeframe. The timeframe is `None` for data without timeframes.
pub(super) type Part = (DataType, Option<Timeframe>);

/// Returns the name of a part for people, such as `market_data 1day` or `news`.
pub(super) fn name_of((data_type, timeframe): Part) -> String {
    timeframe.map_or_else(|| data_type.to_string(), |timeframe| format!("{data_type} {timeframe}"))
}

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
    /// Defects of the fetched data, by their name in the contract.
    pub(super) quality: BTreeMap<&'static str, i64>,
    /// The intervals that were covered before the fetch started.
    pub(super) skipped: BTreeMap<Part, IntervalSet>,
    /// The first hundred errors, each of bounded length: those of series that the source serves before those of the others.
    pub(super) errors: Vec<(Shortfall, String)>,
    /// The number of errors of series that the source serves.
    served_errors: usize,
    /// The file and line of the rejected rows that are among the errors.
    rejected: BTreeSet<(String, Option<u64>)>,
    /// The number of all errors.
    pub(super) error_count: i32,
    /// The number of calls to the source that decided about a part of the request, whichever request of the fetch they were made for.
    pub(super) calls: i32,
    /// The error that decides the class. `None` without errors.
    worst: Option<Shortfall>,
}

/// The reason why a part of a request was not served. If a request has several, the greatest decides its error class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shortfall {
    /// No source has the series.
    NoSource,
    /// The source does not have the symbol.
    UnknownSymbol,
    /// The source does not have the end of the range yet.
    NotYet,
    /// A permanent error.
    Rejected,
    /// All attempts failed.
    Exhausted,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Each bar that the source should have is covered.
    Success,
    /// A part is covered; the errors name the rest.
    Partial(Shortfall),
    /// Nothing was served.
    Failed(Shortfall),
}

impl Shortfall {
    /// Returns the error class of the contract.
    pub(super) const fn class(self) -> BackfillErrorClass {
        match self {
            Self::NoSource => BackfillErrorClass::NoSource,
            Self::UnknownSymbol => BackfillErrorClass::UnknownSymbol,
            Self::NotYet => BackfillErrorClass::NotYet,
            Self::Rejected => BackfillErrorClass::Refused,
            Self::Exhausted => BackfillErrorClass::Exhausted,
        }
    }

    /// Returns `true` if a new attempt may succeed without a repair of the source.
    pub(super) const fn is_retryable(self) -> bool {
        matches!(self, Self::NotYet | Self::Exhausted)
    }
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
            partition: self.id.input.partition,
            range: self.range,
            priority: self.priority,
            data: self.served.clone(),
            // The record of a series has place for one refetch.
            opens_fetch: self.event.refetch,
        }
    }

    /// Returns the requested series that the source serves.
    pub(super) fn series(&self) -> impl Iterator<Item = Series> {
        let timeframes = |(data_type, timeframes): &(DataType, Vec<Option<Timeframe>>)| {
            let data_type = *data_type;
            timeframes.clone().into_iter().map(move |timeframe| (data_type, timeframe))
        };
        let of = |(data_type, timeframe)| Series { symbol: self.symbol, data_type, timeframe };
        self.served.iter().flat_map(timeframes).map(of)
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

    /// Records the number of calls that decided about these ranges. No effect if the request contains none of them.
    pub(super) fn called(&mut self, part: Part, ranges: &[Interval], calls: u32) {
        if ranges.iter().any(|range| self.share_of(part, *range).is_some()) {
            self.tally.calls = self.tally.calls.saturating_add(i32::saturating_from(calls));
        }
    }

    /// Records a fetched chunk, of which these parts are complete.
    pub(super) fn fetched(&mut self, part: Part, (chunk, known): (Interval, &[Interval]), records: &Records) {
        let Some(share) = self.share_of(part, chunk) else { return };
        let tally = &mut self.tally;
        for covered in known.iter().filter_map(|known| known.intersection(share)) {
            tally.fetched.entry(part).or_default().insert(covered);
        }
        *tally.records.entry(part.0).or_default() += i64::saturating_from(records.count_within(share));
        if let (Records::Bars(bars), Some(Timeframe::Day1)) = (records, part.1) {
            let bars = within(bars, |bar| bar.open_time, share);
            let (missing, off_calendar) = day_bar_defects(share, bars);
            tally.add_quality(MISSING_BARS, missing);
            tally.add_quality(OFF_CALENDAR_BARS, off_calendar);
        }
    }

    /// Records the rejected rows and the duplicates of a chunk.
    pub(super) fn found_defects(&mut self, part: Part, chunk: Interval, defects: &Defects) {
        let Some(share) = self.share_of(part, chunk) else { return };
        self.tally.reject(part, defects);
        if part.0 == DataType::MarketData {
            let count = defects.duplicates.iter().filter(|time| share.contains(**time)).count();
            self.tally.add_quality(DUPLICATE_BARS, i64::saturating_from(count));
        }
    }

    /// Returns the parts of these ranges of a series that the request contains.
    pub(super) fn shares_of(&self, part: Part, ranges: &[Interval]) -> Vec<Interval> {
        ranges.iter().filter_map(|range| self.share_of(part, *range)).collect()
    }
}

impl Tally {
    /// Adds the rejected rows and files of a chunk: each is an error, and the first of each file are listed. One that concerns several chunks
    /// counts once, if it is listed.
    fn reject(&mut self, part: Part, defects: &Defects) {
        let (mut rows, mut files) = (defects.rejected, defects.files);
        for rejected in &defects.rows {
            let Rejected { file, line, .. } = rejected;
            let key = (file.clone(), *line);
            let of_file = self.rejected.iter().filter(|(listed, _)| listed == file).count();
            if self.rejected.contains(&key) {
                let counted = if line.is_some() { &mut rows } else { &mut files };
                *counted = counted.saturating_sub(1);
            } else if of_file < FILE_ROWS_MAX && self.rejected.len() < ERRORS_MAX {
                self.list(&format!("{}: {rejected}", name_of(part)), Shortfall::Rejected);
                self.rejected.insert(key);
            }
        }
        if rows + files > 0 {
            self.worst = self.worst.max(Some(Shortfall::Rejected));
            self.error_count = self.error_count.saturating_add(i32::saturating_from(rows + files));
        }
        self.add_quality(REJECTED_ROWS, i64::saturating_from(rows));
    }

    fn add_quality(&mut self, name: &'static str, count: i64) {
        *self.quality.entry(name).or_default() += count;
    }

    pub(super) fn add_error(&mut self, text: &str, reason: Shortfall) {
        self.worst = self.worst.max(Some(reason));
        self.error_count = self.error_count.saturating_add(1);
        self.list(text, reason);
    }

    /// Adds an error to the list, if it has space.
    fn list(&mut self, text: &str, reason: Shortfall) {
        let text = cut(text, ERROR_BYTES_MAX).to_owned();
        if reason != Shortfall::NoSource {
            self.errors.insert(self.served_errors, (reason, text));
            self.served_errors += 1;
        } else {
            self.errors.push((reason, text));
        }
        self.errors.truncate(ERRORS_MAX);
        self.served_errors = self.served_errors.min(ERRORS_MAX);
    }

    /// Returns the first error and the number of the others.
    pub(super) fn error_summary(&self) -> String {
        let first = self.errors.first().map(|(_, text)| text.clone()).unwrap_or_default();
        if self.error_count > 1 { format!("{first}; and {} more", self.error_count - 1) } else { first }
    }

    /// Returns the outcome. A request fails only if nothing was served; what was covered already is served.
    pub(super) fn ending(&self) -> Ending {
        let is_served = !self.fetched.is_empty() || !self.skipped.is_empty();
        match self.worst {
            None => Ending::Success,
            Some(reason) if is_served => Ending::Partial(reason),
            Some(reason) => Ending::Failed(reason),
        }
    }
}
