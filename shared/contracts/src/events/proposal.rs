//! `scanner.symbol.proposed`: a scanner proposes that a symbol enter or climb a layer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::MAX_METRICS;
use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::instant;

/// A scanner proposes that a symbol enter a layer (a qualification) or climb to one (a promotion).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
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
    /// Where it stands; none for a qualification.
    #[serde(default)]
    pub from_layer: Option<i32>,
    /// Where it goes; 0 to 3.
    pub to_layer: i32,
    /// Why.
    pub reason: String,
    /// What the scanner measured, by name; finite.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

impl Event for Proposal {
    described!(SymbolProposed, "scanner.symbol.proposed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("to_layer", rules::layer(self.to_layer))?;
        if let Some(from_layer) = self.from_layer {
            at.field("from_layer", rules::layer(from_layer))?;
            at.field("to_layer", rules::climbs(from_layer, self.to_layer))?;
        }
        at.field("reason", rules::text(&self.reason))?;
        at.field("metrics", rules::values(&self.metrics, MAX_METRICS))
    }
}
