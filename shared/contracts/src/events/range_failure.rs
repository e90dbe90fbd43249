//! `backfill.range.failed`: backfills that ended without data.

use super::backfill;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{BackfillErrorClass, DataKind};

event! {
    /// A backfill ended and nothing of it was served. Each (backfill, attempt) ends in exactly one `backfill.range.completed` or
    /// `backfill.range.failed`.
    pub struct RangeFailure {
        /// Id of the backfill: a UUID, version 5 of symbol, layer, data types, range and trigger if Tapeline assigned it.
        pub backfill_id: String,
        /// Number of the attempt at this backfill, from 1. A repeated request after a failure is the next attempt.
        pub attempt: i32,
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Layer of the symbol, 0 (basic) to 3 (active).
        pub layer: i32,
        /// Requested data types, at least one, unique.
        pub data_types: Vec<DataKind>,
        /// Class of the error.
        pub error_class: BackfillErrorClass,
        /// `true` if a new attempt may succeed.
        pub retryable: bool,
        /// Number of calls to sources, 0 if none was called.
        pub attempts: i32,
        /// Error for people, not empty, at most 4 KiB.
        pub error: String,
    }
}

impl Event for RangeFailure {
    topic_schema_envelope!(RangeFailed, "backfill.range.failed/v2");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        backfill::check_identity(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("layer", rules::layer(self.layer))?;
        backfill::check_data_types(at, &self.data_types)?;
        at.field("error_class", rules::is_defined(self.error_class != BackfillErrorClass::Unknown))?;
        at.field("attempts", rules::at_least(self.attempts.into(), 0))?;
        at.field("error", rules::text(&self.error))
    }
}
