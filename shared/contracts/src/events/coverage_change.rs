//! `backfill.coverage.changed`: what is covered of a symbol's data.

use std::borrow::Cow;

use domain::{Interval, IntervalError, IntervalSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{DataKind, instant};

/// The whole coverage of a symbol, data type and timeframe; of several the latest holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageChange {
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
    /// Ticker.
    pub symbol: String,
    /// What is covered.
    pub data_type: DataKind,
    /// Of bars their timeframe; empty for other data.
    pub timeframe: String,
    /// All that is covered; sorted, disjoint, none touching the next.
    pub intervals: Vec<Span>,
}

/// A range of time, of which `end` is the last instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its first instant.
    #[serde(with = "instant")]
    pub start: i64,
    /// Its last instant.
    #[serde(with = "instant")]
    pub end: i64,
}

impl CoverageChange {
    /// What is covered, as a set.
    ///
    /// # Errors
    /// When a span ends before it starts, which none of a valid event does.
    pub fn coverage(&self) -> Result<IntervalSet, IntervalError> {
        self.intervals.iter().map(|span| Interval::try_from(*span)).collect()
    }
}

impl From<Interval> for Span {
    fn from(interval: Interval) -> Self {
        Self { start: interval.start().micros(), end: interval.last().micros() }
    }
}

impl TryFrom<Span> for Interval {
    type Error = IntervalError;

    fn try_from(span: Span) -> Result<Self, IntervalError> {
        Self::from_inclusive(Timestamp::from_micros(span.start), Timestamp::from_micros(span.end))
    }
}

impl Event for CoverageChange {
    described!(CoverageChanged, "backfill.coverage.changed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}|{}|{}", self.symbol, self.data_type, self.timeframe))
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        for (index, span) in self.intervals.iter().enumerate() {
            at.item("intervals", index, "start", rules::instant(span.start))?;
            at.item("intervals", index, "end", rules::instant(span.end))?;
            at.item("intervals", index, "start", rules::ordered(span.start, span.end))?;
        }
        for (index, pair) in self.intervals.windows(2).enumerate() {
            // The instant after `end` is a microsecond later: a span that starts there would be one with it.
            let apart = pair[0].end + 1 < pair[1].start;
            at.item(
                "intervals",
                index + 1,
                "start",
                rules::check(apart, || {
                    format!("{} overlaps or touches the span before", rules::iso(pair[1].start))
                }),
            )?;
        }
        Ok(())
    }
}
