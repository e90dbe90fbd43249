//! `backfill.coverage.changed`: the fetched history of a series.

use std::borrow::Cow;

use domain::{Interval, IntervalError, IntervalSet, Timestamp};

use crate::event::{Event, topic_schema_envelope};
use crate::record::{event, record};
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{DataKind, instant};

event! {
    /// The coverage of a series (symbol, data type, timeframe) changed. The event carries the whole coverage; the newest record of
    /// a series is valid.
    ///
    /// It is committed in the transaction of the records that changed the coverage. The topic is compacted and is the state of the
    /// backfill executor.
    pub struct CoverageChange {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. The partition of the record is the partition of the symbol.
        pub symbol: String,
        /// Data type of the series.
        pub data_type: DataKind,
        /// Timeframe of bars: `1min`, `5min`, `1hour` or `1day`. Empty for other data.
        pub timeframe: String,
        /// Ranges that were fetched, also those in which the source has no data. Sorted; no two overlap or touch.
        pub intervals: Vec<Span>,
        /// The newest qualification or promotion that wanted the series.
        #[serde(default)]
        pub wanted: Option<WantedSeries>,
        /// Ranges that were requested for this series and are not covered, at most 100.
        #[serde(default)]
        pub asked: Vec<RequestedSpan>,
        /// The attempt of a request with `refetch` that took its range out of `intervals` and has not ended.
        #[serde(default)]
        pub refetching: Option<RefetchAttempt>,
    }
}

record! {
    /// A range of time that includes its last instant.
    #[derive(Copy, Eq)]
    pub struct Span {
        /// First instant of the range.
        #[serde(with = "instant")]
        pub start: i64,
        /// Last instant of the range, not before `start`.
        #[serde(with = "instant")]
        pub end: i64,
    }
}

record! {
    /// The demand for a series.
    #[derive(Copy, Eq)]
    pub struct WantedSeries {
        /// Layer of the qualification or promotion, 0 (basic) to 3 (active).
        pub layer: i32,
        /// First instant of the wanted history.
        #[serde(with = "instant")]
        pub from: i64,
        /// Time of the qualification or promotion.
        #[serde(with = "instant")]
        pub at: i64,
    }
}

record! {
    /// A range of time that was requested. It includes its last instant.
    #[derive(Copy, Eq)]
    pub struct RequestedSpan {
        /// First instant of the range.
        #[serde(with = "instant")]
        pub start: i64,
        /// Last instant of the range, not before `start`.
        #[serde(with = "instant")]
        pub end: i64,
        /// Time of the request.
        #[serde(with = "instant")]
        pub at: i64,
        /// Number of the attempt, from 1.
        pub attempt: i32,
    }
}

record! {
    /// An attempt at a backfill.
    #[derive(Eq)]
    pub struct RefetchAttempt {
        /// Id of the backfill, a UUID.
        pub backfill_id: String,
        /// Number of the attempt, from 1.
        pub attempt: i32,
    }
}

/// Limit of the requested ranges that are not covered.
const REQUESTED_SPANS_MAX: usize = 100;

impl CoverageChange {
    /// Returns the covered ranges as a set.
    ///
    /// # Errors
    /// If a span ends before it starts. No span of a valid event does.
    pub fn coverage(&self) -> Result<IntervalSet, IntervalError> {
        self.intervals.iter().map(|span| Interval::try_from(*span)).collect()
    }

    /// Checks the fields that version 2 of the schema added.
    fn check_requests(&self, at: EventPath) -> Result<(), Violation> {
        if let Some(wanted) = &self.wanted {
            at.field("wanted.layer", rules::layer(wanted.layer))?;
            at.field("wanted.from", rules::instant(wanted.from))?;
            at.field("wanted.at", rules::instant(wanted.at))?;
        }
        at.field("asked", rules::count(self.asked.len(), 0..=REQUESTED_SPANS_MAX))?;
        for (index, span) in self.asked.iter().enumerate() {
            at.item("asked", index, "start", rules::instant(span.start))?;
            at.item("asked", index, "end", rules::instant(span.end))?;
            at.item("asked", index, "start", rules::ordered(span.start, span.end))?;
            at.item("asked", index, "at", rules::instant(span.at))?;
            at.item("asked", index, "attempt", rules::at_least(span.attempt.into(), 1))?;
        }
        if let Some(refetching) = &self.refetching {
            at.field("refetching.backfill_id", rules::uuid(&refetching.backfill_id))?;
            at.field("refetching.attempt", rules::at_least(refetching.attempt.into(), 1))?;
        }
        Ok(())
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
    topic_schema_envelope!(CoverageChanged, "backfill.coverage.changed/v2");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}|{}|{}", self.symbol, self.data_type, self.timeframe))
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        for (index, span) in self.intervals.iter().enumerate() {
            at.item("intervals", index, "start", rules::instant(span.start))?;
            at.item("intervals", index, "end", rules::instant(span.end))?;
            at.item("intervals", index, "start", rules::ordered(span.start, span.end))?;
        }
        for (index, pair) in self.intervals.windows(2).enumerate() {
            // A span that starts one microsecond after `end` touches it: the two would be one span.
            let apart = pair[0].end + 1 < pair[1].start;
            at.item(
                "intervals",
                index + 1,
                "start",
                rules::check(apart, || {
                    format!("{} overlaps or touches the previous span", rules::iso(pair[1].start))
                }),
            )?;
        }
        self.check_requests(at)
    }
}
