//! `backfill.range.completed`: a backfill ended, wholly or in part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::MAX_TEXT_BYTES;
use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{DataKind, instant};

/// The most errors that are named; `error_count` says how many there were.
pub const MAX_ERRORS: usize = 100;

/// A backfill ended; each (backfill, attempt) ends in one of these or in one [`RangeFailure`](super::RangeFailure).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeCompletion {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// Who says so.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// UUID v5, see [`backfill_id`](crate::ids::backfill_id).
    pub backfill_id: String,
    /// Which time this backfill is asked for; from 1.
    pub attempt: i32,
    /// Ticker.
    pub symbol: String,
    /// 0 to 3.
    pub layer: i32,
    /// Whether all that was asked for is covered now.
    pub success: bool,
    /// Whether some of it wasn't served; the errors name what.
    pub partial: bool,
    /// Records written, by data type.
    #[serde(default)]
    pub records: BTreeMap<String, i64>,
    /// What was fetched.
    #[serde(default)]
    pub fetched: Vec<TypedRange>,
    /// What was covered already.
    #[serde(default)]
    pub skipped: Vec<TypedRange>,
    /// From the request to its end by the wall clock, in microseconds.
    pub duration_micros: i64,
    /// The first 100.
    #[serde(default)]
    pub errors: Vec<String>,
    /// All of them.
    pub error_count: i32,
}

/// A range of one kind of data, of which `end` is the last instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedRange {
    /// Of what.
    pub data_type: DataKind,
    /// Of bars their timeframe; empty for other data.
    pub timeframe: String,
    /// Its first instant.
    #[serde(with = "instant")]
    pub start: i64,
    /// Its last instant.
    #[serde(with = "instant")]
    pub end: i64,
}

impl Event for RangeCompletion {
    described!(RangeCompleted, "backfill.range.completed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        super::check_backfill(at, &self.backfill_id, self.attempt, &self.symbol)?;
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
        at.field("errors", rules::count(self.errors.len(), 0..=MAX_ERRORS))?;
        for (index, error) in self.errors.iter().enumerate() {
            at.item("errors", index, "", rules::at_most(error, MAX_TEXT_BYTES))?;
        }
        let named = i64::try_from(self.errors.len()).unwrap_or(i64::MAX);
        at.field("error_count", rules::at_least(self.error_count.into(), named))?;
        at.field(
            "partial",
            rules::check(!(self.partial && self.success), || "is true with success".to_owned()),
        )?;
        let explained = !self.partial || !self.errors.is_empty();
        at.field("errors", rules::check(explained, || "is empty, but partial is true".to_owned()))
    }
}

impl TypedRange {
    fn check(&self, at: Place, list: &str, index: usize) -> Result<(), Violation> {
        at.item(list, index, "data_type", rules::kind(self.data_type))?;
        at.item(list, index, "timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        at.item(list, index, "start", rules::instant(self.start))?;
        at.item(list, index, "end", rules::instant(self.end))?;
        at.item(list, index, "start", rules::ordered(self.start, self.end))
    }
}
