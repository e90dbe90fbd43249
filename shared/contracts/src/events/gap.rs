//! `market.gap.detected`: history of a symbol is missing.

use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{DataKind, instant};

/// History of a symbol is missing between two instants, both of which belong to the gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
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
    /// What is missing.
    pub data_type: DataKind,
    /// The first missing instant.
    #[serde(with = "instant")]
    pub gap_start: i64,
    /// The last missing instant; after `gap_start`.
    #[serde(with = "instant")]
    pub gap_end: i64,
    /// 1 to 10, higher is more urgent.
    pub priority: i32,
}

impl Event for Gap {
    described!(GapDetected, "market.gap.detected");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("gap_start", rules::instant(self.gap_start))?;
        at.field("gap_end", rules::instant(self.gap_end))?;
        at.field("gap_start", rules::before(self.gap_start, self.gap_end))?;
        at.field("priority", rules::priority(self.priority))
    }
}
