//! `scanner.symbol.qualified`: symbols that entered a layer.

use std::collections::BTreeMap;

use crate::bounds::METRICS_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};

event! {
    /// A symbol entered a layer. Announced once per symbol and layer within a dedup window.
    ///
    /// The backfill planner requests the history that the layer needs.
    pub struct Qualification {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Layer that the symbol entered, 0 (basic) to 3 (active).
        pub layer: i32,
        /// Reason for people, not empty, at most 4 KiB.
        pub reason: String,
        /// Measurements of the scanner by name: at most 200 finite numbers, names of at most 256 bytes.
        #[serde(default, deserialize_with = "crate::unique_map::deserialize")]
        pub metrics: BTreeMap<String, f64>,
    }
}

impl Event for Qualification {
    topic_schema_envelope!(SymbolQualified, "scanner.symbol.qualified/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("layer", rules::layer(self.layer))?;
        at.field("reason", rules::text(&self.reason))?;
        at.field("metrics", rules::values(&self.metrics, METRICS_MAX))
    }
}
