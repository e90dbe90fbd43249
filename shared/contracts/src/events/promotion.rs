//! `scanner.symbol.promoted`: symbols that moved to a higher layer.

use std::collections::BTreeMap;

use crate::bounds::METRICS_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};

event! {
    /// A symbol moved from a layer to a higher one. Announced once per symbol and pair of layers within a dedup window.
    ///
    /// The backfill planner requests the history that the new layer needs.
    pub struct Promotion {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Previous layer, 0 to 3.
        pub from_layer: i32,
        /// New layer, 0 to 3, above `from_layer`.
        pub to_layer: i32,
        /// Reason for people, not empty, at most 4 KiB.
        pub reason: String,
        /// Measurements of the scanner by name: at most 200 finite numbers, names of at most 256 bytes.
        #[serde(default, deserialize_with = "crate::unique_map::deserialize")]
        pub metrics: BTreeMap<String, f64>,
    }
}

impl Event for Promotion {
    topic_schema_envelope!(SymbolPromoted, "scanner.symbol.promoted/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("from_layer", rules::layer(self.from_layer))?;
        at.field("to_layer", rules::layer(self.to_layer))?;
        at.field("to_layer", rules::climbs(self.from_layer, self.to_layer))?;
        at.field("reason", rules::text(&self.reason))?;
        at.field("metrics", rules::values(&self.metrics, METRICS_MAX))
    }
}
