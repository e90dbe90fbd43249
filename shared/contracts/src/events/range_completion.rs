//! `backfill.range.completed`: backfills that ended with data.

use std::collections::BTreeMap;

use super::backfill;
use crate::bounds::TEXT_BYTES_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::{event, record};
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{DataKind, instant};

/// Limit of the errors that are listed; `error_count` is their total number.
pub const ERRORS_MAX: usize = 100;

/// Limit of the counts in `quality`.
const QUALITY_COUNTS_MAX: usize = 50;

event! {
    /// A backfill ended, completely or in part. Each (backfill, attempt) ends in exactly one `backfill.range.completed` or
    /// `backfill.range.failed`.
    pub struct RangeCompletion {
        /// Id of the backfill: a UUID, version 5 of symbol, layer, data types, range and trigger if Tapeline assigned it.
        pub backfill_id: String,
        /// Number of the attempt at this backfill, from 1. A repeated request after a failure is the next attempt.
        pub attempt: i32,
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Layer of the symbol, 0 (basic) to 3 (active).
        pub layer: i32,
        /// `true` if the whole request is covered. Not `true` together with `partial`.
        pub success: bool,
        /// `true` if a part of the request was not served. `errors` then names that part.
        pub partial: bool,
        /// Number of records written, by data type. Not negative.
        #[serde(default)]
        pub records: BTreeMap<String, i64>,
        /// Ranges that were fetched.
        #[serde(default)]
        pub fetched: Vec<TypedRange>,
        /// Ranges that were covered before and not fetched again.
        #[serde(default)]
        pub skipped: Vec<TypedRange>,
        /// Wall-clock duration from the receipt of the request to its end, in microseconds. Not negative.
        pub duration_micros: i64,
        /// The first 100 errors, each at most 4 KiB. Not empty if `partial`.
        #[serde(default)]
        pub errors: Vec<String>,
        /// Total number of errors, at least the length of `errors`.
        pub error_count: i32,
        /// Defects of the data by name: `rejected_rows` (rows of a file that are no valid records), `duplicate_bars` (rows with the time of
        /// another bar), `off_calendar_bars` and `missing_bars` (day bars compared with the calendar). At most 50, not negative. A name that
        /// is absent was not determined.
        #[serde(default)]
        pub quality: BTreeMap<String, i64>,
    }
}

record! {
    /// A range of one series. It includes its last instant.
    pub struct TypedRange {
        /// Data type of the series.
        pub data_type: DataKind,
        /// Timeframe of bars: `1min`, `5min`, `1hour` or `1day`. Empty for other data.
        pub timeframe: String,
        /// First instant of the range.
        #[serde(with = "instant")]
        pub start: i64,
        /// Last instant of the range, not before `start`.
        #[serde(with = "instant")]
        pub end: i64,
    }
}

impl Event for RangeCompletion {
    topic_schema_envelope!(RangeCompleted, "backfill.range.completed/v2");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        backfill::check_identity(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("layer", rules::layer(self.layer))?;
        for (data_type, records) in &self.records {
            at.field("records", rules::data_type(data_type))?;
            at.field("records", rules::at_least(*records, 0))?;
        }
        for (name, ranges) in [("fetched", &self.fetched), ("skipped", &self.skipped)] {
            for (index, range) in ranges.iter().enumerate() {
                range.check(at, name, index)?;
            }
        }
        at.field("duration_micros", rules::at_least(self.duration_micros, 0))?;
        at.field("errors", rules::count(self.errors.len(), 0..=ERRORS_MAX))?;
        for (index, error) in self.errors.iter().enumerate() {
            at.item("errors", index, "", rules::at_most(error, TEXT_BYTES_MAX))?;
        }
        let named = i64::try_from(self.errors.len()).unwrap_or(i64::MAX);
        at.field("error_count", rules::at_least(self.error_count.into(), named))?;
        at.field(
            "partial",
            rules::check(!(self.partial && self.success), || "is true with success".to_owned()),
        )?;
        let explained = !self.partial || !self.errors.is_empty();
        at.field("errors", rules::check(explained, || "is empty, but partial is true".to_owned()))?;
        at.field("quality", rules::count(self.quality.len(), 0..=QUALITY_COUNTS_MAX))?;
        for (name, count) in &self.quality {
            at.field("quality", rules::id(name))?;
            at.field("quality", rules::at_least(*count, 0))?;
        }
        Ok(())
    }
}

impl TypedRange {
    fn check(&self, at: EventPath, list: &str, index: usize) -> Result<(), Violation> {
        at.item(list, index, "data_type", rules::kind(self.data_type))?;
        at.item(list, index, "timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        at.item(list, index, "start", rules::instant(self.start))?;
        at.item(list, index, "end", rules::instant(self.end))?;
        at.item(list, index, "start", rules::ordered(self.start, self.end))
    }
}
