//! `backfill.range.progressed`: chunks of a backfill that were written.

use super::backfill;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{DataKind, instant};

event! {
    /// A chunk of a backfill was written. The event is committed in the transaction of the chunk's records.
    pub struct RangeProgress {
        /// Id of the backfill: a UUID, version 5 of symbol, layer, data types, range and trigger if Tapeline assigned it.
        pub backfill_id: String,
        /// Number of the attempt at this backfill, from 1. A repeated request after a failure is the next attempt.
        pub attempt: i32,
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Data type of the chunk.
        pub data_type: DataKind,
        /// Timeframe of bars: `1min`, `5min`, `1hour` or `1day`. Empty for other data.
        pub timeframe: String,
        /// First instant of the chunk.
        #[serde(with = "instant")]
        pub chunk_start: i64,
        /// Last instant of the chunk, not before `chunk_start`.
        #[serde(with = "instant")]
        pub chunk_end: i64,
        /// Number of records in the chunk, not negative.
        pub records: i64,
        /// `true` if and only if `records` is 0: the source has no data for the chunk.
        pub empty: bool,
        /// Number of chunks written, this one included. At least 1.
        pub done: i32,
        /// Number of chunks of the backfill, at least `done`.
        pub total: i32,
    }
}

impl Event for RangeProgress {
    topic_schema_envelope!(RangeProgressed, "backfill.range.progressed/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        backfill::check_identity(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        at.field("chunk_start", rules::instant(self.chunk_start))?;
        at.field("chunk_end", rules::instant(self.chunk_end))?;
        at.field("chunk_start", rules::ordered(self.chunk_start, self.chunk_end))?;
        at.field("records", rules::at_least(self.records, 0))?;
        let agree = self.empty == (self.records == 0);
        at.field(
            "empty",
            rules::check(agree, || format!("is {} with {} records", self.empty, self.records)),
        )?;
        at.field("done", rules::at_least(self.done.into(), 1))?;
        at.field("total", rules::at_least(self.total.into(), self.done.into()))
    }
}
