//! `backfill.range.failed`: a backfill ended with nothing served.

use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{BackfillErrorClass, DataKind, instant};

/// A backfill ended with nothing served, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeFailure {
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
    /// UUID v5, see [`backfill_id`](crate::ids::backfill_id).
    pub backfill_id: String,
    /// Which time this backfill is asked for; from 1.
    pub attempt: i32,
    /// Ticker.
    pub symbol: String,
    /// 0 to 3.
    pub layer: i32,
    /// What was asked for.
    pub data_types: Vec<DataKind>,
    /// Why, as a class.
    pub error_class: BackfillErrorClass,
    /// Whether asking again may help.
    pub retryable: bool,
    /// How many calls were made to sources.
    pub attempts: i32,
    /// Why, for people.
    pub error: String,
}

impl Event for RangeFailure {
    described!(RangeFailed, "backfill.range.failed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        super::check_backfill(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("layer", rules::layer(self.layer))?;
        super::check_kinds(at, &self.data_types)?;
        let known = self.error_class != BackfillErrorClass::Unknown;
        at.field("error_class", rules::check(known, || "is one that this version does not know".to_owned()))?;
        at.field("attempts", rules::at_least(self.attempts.into(), 0))?;
        at.field("error", rules::text(&self.error))
    }
}
