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

impl CoverageChange {
    /// Returns the covered ranges as a set.
    ///
    /// # Errors
    /// If a span ends before it starts. No span of a valid event does.
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
    topic_schema_envelope!(CoverageChanged, "backfill.coverage.changed");

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
        Ok(())
    }
}
