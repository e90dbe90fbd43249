//! `scanner.symbol.proposed`: proposals of scanners to move symbols between layers.

use std::collections::BTreeMap;

use crate::bounds::METRICS_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};

event! {
    /// A scanner proposes that a symbol enters a layer (a qualification) or moves to a higher one (a promotion).
    ///
    /// The announcer of the publisher turns proposals into `scanner.symbol.qualified` and `scanner.symbol.promoted`.
    ///
    /// A finding may omit the envelope. The edge sets `event_id` to a new UUID v7, `occurred_at` to the present time, `source` to the
    /// constant `edge` and `correlation_id` to the event id.
    pub struct Proposal {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Current layer, 0 to 3, below `to_layer`. Absent for a qualification.
        #[serde(default)]
        pub from_layer: Option<i32>,
        /// Proposed layer, 0 to 3.
        pub to_layer: i32,
        /// Reason for people, not empty, at most 4 KiB.
        pub reason: String,
        /// Measurements of the scanner by name: at most 200 finite numbers, names of at most 256 bytes.
        #[serde(default, deserialize_with = "crate::unique_map::deserialize")]
        pub metrics: BTreeMap<String, f64>,
    }
}

impl Event for Proposal {
    topic_schema_envelope!(SymbolProposed, "scanner.symbol.proposed/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("to_layer", rules::layer(self.to_layer))?;
        if let Some(from_layer) = self.from_layer {
            at.field("from_layer", rules::layer(from_layer))?;
            at.field("to_layer", rules::climbs(from_layer, self.to_layer))?;
        }
        at.field("reason", rules::text(&self.reason))?;
        at.field("metrics", rules::values(&self.metrics, METRICS_MAX))
    }
}
