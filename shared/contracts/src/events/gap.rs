//! `market.gap.detected`: gaps in the history of a symbol.

use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{DataKind, instant};

event! {
    /// A gap in the history of a symbol was detected. The backfill planner requests the range of gaps of at least 4 h.
    ///
    /// A finding may omit the envelope. The edge sets `event_id` to a new UUID v7, `occurred_at` to the present time, `source` to the
    /// constant `edge` and `correlation_id` to the event id.
    pub struct Gap {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Data type that is missing.
        pub data_type: DataKind,
        /// First missing instant.
        #[serde(with = "instant")]
        pub gap_start: i64,
        /// Last missing instant, after `gap_start`.
        #[serde(with = "instant")]
        pub gap_end: i64,
        /// Priority of the backfill, 1 to 10. Higher is more urgent.
        pub priority: i32,
    }
}

impl Event for Gap {
    topic_schema_envelope!(GapDetected, "market.gap.detected/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("gap_start", rules::instant(self.gap_start))?;
        at.field("gap_end", rules::instant(self.gap_end))?;
        at.field("gap_start", rules::before(self.gap_start, self.gap_end))?;
        at.field("priority", rules::priority(self.priority))
    }
}
