//! `backfill.range.requested`: requests for the history of a symbol.

use domain::Timestamp;

use super::backfill;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{BackfillTrigger, DataKind, instant};

/// Limit of the range of a request: ten years, of which at most three are leap years.
pub const SPAN_MICROS_MAX: i64 = 3_653 * 86_400_000_000;

event! {
    /// A request to fetch the history of a symbol from `start` to `end`, both included. The range is at most 10 years (3,653 days).
    pub struct RangeRequest {
        /// Id of the backfill: a UUID, version 5 of symbol, layer, data types, range and trigger (and of `refetch`, if true) if
        /// Tapeline assigned it.
        pub backfill_id: String,
        /// Number of the attempt at this backfill, from 1. A repeated request after a failure is the next attempt.
        pub attempt: i32,
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Layer of the symbol, 0 (basic) to 3 (active).
        pub layer: i32,
        /// Data types to fetch, at least one, unique.
        pub data_types: Vec<DataKind>,
        /// First instant of the range, before `end`.
        #[serde(with = "instant")]
        pub start: i64,
        /// Last instant of the range, at most 5 min ahead of the clock.
        #[serde(with = "instant")]
        pub end: i64,
        /// Priority, 1 to 10. Higher is more urgent.
        pub priority: i32,
        /// Cause of the request.
        pub trigger: BackfillTrigger,
        /// `true` to fetch the range again although it is covered, for example after a correction of the source. Part of the identity
        /// of the request: a success without it does not make the request a duplicate. Records are replaced, and none is deleted.
        #[serde(default)]
        pub refetch: bool,
        /// `true` to end the work of this `backfill_id` instead of requesting any. Its running attempts end in
        /// `backfill.range.failed` of class `cancelled`; what is already written stays. The other fields have no effect.
        #[serde(default)]
        pub cancel: bool,
    }
}

impl Event for RangeRequest {
    topic_schema_envelope!(RangeRequested, "backfill.range.requested/v2");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        backfill::check_identity(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("layer", rules::layer(self.layer))?;
        backfill::check_data_types(at, &self.data_types)?;
        at.field("start", rules::instant(self.start))?;
        at.field("end", rules::instant(self.end))?;
        at.field("start", rules::before(self.start, self.end))?;
        at.field(
            "end",
            rules::check(self.end - self.start <= SPAN_MICROS_MAX, || {
                "more than 10 years after start".to_owned()
            }),
        )?;
        at.field("priority", rules::priority(self.priority))?;
        at.field("trigger", rules::is_defined(self.trigger != BackfillTrigger::Unknown))
    }

    // A range can end at the time of its cause, and a cause can be as far ahead of the clock as any event.
    fn check_clock(&self, now: Timestamp) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        at.field("occurred_at", rules::not_ahead(self.occurred_at, now))?;
        at.field("end", rules::not_ahead(self.end, now))
    }
}
