//! `backfill.range.progressed`: a chunk of a backfill was written.

use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{DataKind, instant};

/// A chunk of a backfill was written; it leaves in the transaction of the chunk's records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeProgress {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// The data source that served the chunk.
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
    /// What was fetched.
    pub data_type: DataKind,
    /// Of bars their timeframe; empty for other data.
    pub timeframe: String,
    /// The chunk's first instant.
    #[serde(with = "instant")]
    pub chunk_start: i64,
    /// The chunk's last instant.
    #[serde(with = "instant")]
    pub chunk_end: i64,
    /// Records in the chunk.
    pub records: i64,
    /// The source has nothing for this chunk.
    pub empty: bool,
    /// Chunks done so far, this one included.
    pub done: i32,
    /// Chunks in all.
    pub total: i32,
}

impl Event for RangeProgress {
    described!(RangeProgressed, "backfill.range.progressed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        super::check_backfill(at, &self.backfill_id, self.attempt, &self.symbol)?;
        at.field("data_type", rules::kind(self.data_type))?;
        at.field("timeframe", rules::timeframe_of(self.data_type, &self.timeframe))?;
        at.field("chunk_start", rules::instant(self.chunk_start))?;
        at.field("chunk_end", rules::instant(self.chunk_end))?;
        at.field("chunk_start", rules::ordered(self.chunk_start, self.chunk_end))?;
        at.field("records", rules::at_least(self.records, 0))?;
        let agree = self.empty == (self.records == 0);
        at.field(
            "empty",
            rules::check(agree, || format!("is {} with {} records", self.empty, self.records)),
        )?;
        at.field("done", rules::at_least(self.done.into(), 1))?;
        at.field("total", rules::at_least(self.total.into(), self.done.into()))
    }
}
