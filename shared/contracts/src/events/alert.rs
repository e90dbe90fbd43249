//! `scanner.alert.raised`: a scanner found something about a symbol.

use std::collections::BTreeMap;

use domain::AlertType;
use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_ID_BYTES, MAX_TEXT_BYTES};
use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{alert_type, instant};

/// The most keys of an alert's metadata.
pub const MAX_METADATA_KEYS: usize = 50;

/// The most bytes of an alert's metadata, keys and values together.
pub const MAX_METADATA_BYTES: usize = 10 * 1024;

/// A scanner found something about a symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
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
    /// What was found; a name that this version doesn't know is `Unknown`.
    #[serde(with = "alert_type")]
    pub alert_type: AlertType,
    /// How strongly, 0 to 1.
    pub score: f64,
    /// For people.
    pub message: String,
    /// Which scanner.
    pub source_scanner: String,
    /// Anything else; of an alert of type `manual`, `feature_sets` may name the sets that are asked for.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Event for Alert {
    described!(AlertRaised, "scanner.alert.raised");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("score", rules::within(self.score, 0..=1))?;
        at.field("message", rules::at_most(&self.message, MAX_TEXT_BYTES))?;
        at.field("source_scanner", rules::at_most(&self.source_scanner, MAX_ID_BYTES))?;
        at.field("metadata", rules::count(self.metadata.len(), 0..=MAX_METADATA_KEYS))?;
        let bytes: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        at.field(
            "metadata",
            rules::check(bytes <= MAX_METADATA_BYTES, || {
                format!("{bytes} bytes, at most {MAX_METADATA_BYTES} are allowed")
            }),
        )
    }
}
