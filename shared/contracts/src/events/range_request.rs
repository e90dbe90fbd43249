//! `backfill.range.requested`: history of a symbol is wanted.

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Event, described, not_ahead};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{BackfillTrigger, DataKind, instant};

/// The longest range of a request: ten years, of which at most three are leap years.
pub const MAX_SPAN_MICROS: i64 = 3_653 * 86_400_000_000;

/// History of a symbol is wanted, from `start` to `end`, which belongs to the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeRequest {
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
    /// Unique, not empty.
    pub data_types: Vec<DataKind>,
    /// The first instant.
    #[serde(with = "instant")]
    pub start: i64,
    /// The last instant.
    #[serde(with = "instant")]
    pub end: i64,
    /// 1 to 10, higher is more urgent.
    pub priority: i32,
    /// Why it is asked for.
    pub trigger: BackfillTrigger,
}

impl Event for RangeRequest {
    described!(RangeRequested, "backfill.range.requested");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        super::check_backfill(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("layer", rules::layer(self.layer))?;
        super::check_kinds(at, &self.data_types)?;
        at.field("start", rules::instant(self.start))?;
        at.field("end", rules::instant(self.end))?;
        at.field("start", rules::before(self.start, self.end))?;
        at.field(
            "end",
            rules::check(self.end - self.start <= MAX_SPAN_MICROS, || {
                "more than 10 years after start".to_owned()
            }),
        )?;
        at.field("priority", rules::priority(self.priority))?;
        let known = self.trigger != BackfillTrigger::Unknown;
        at.field("trigger", rules::check(known, || "is one that this version does not know".to_owned()))
    }

    // A range may end where its cause occurred, and a cause may be as far ahead of the clock as any event.
    fn check_clock(&self, now: Timestamp) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        at.field("occurred_at", not_ahead(self.occurred_at, now))?;
        at.field("end", not_ahead(self.end, now))
    }
}
