//! The history of symbols as the topics have it: held bars, coverage, and requests for ranges.
//!
//! ```text
//! market.bar.closed ─────────► HeldBars ───┐
//! backfill.coverage.changed ─► SymbolHistory ─► SeriesDays ─► coverage report
//! backfill.range.* ──────────► RequestLog ─┘
//! ```
//!
//! Everything is read from one partition at a time. Bars are counted by their keys and kept as bits.

mod decoder;
mod held_bars;
mod rebuilt_coverage;
mod request_log;
mod series_days;
mod symbol_history;

pub use self::decoder::Decoder;
pub use self::held_bars::HeldBars;
pub use self::rebuilt_coverage::rebuilt;
pub use self::request_log::{
    AttemptEnd, BackfillState, LoggedBackfill, Outcome, Progress, REQUEST_TOPICS, RequestLog,
};
pub use self::series_days::{DayState, SeriesDay, SlotCounts, days};
pub use self::symbol_history::{SeriesHistory, SeriesKey, SymbolHistory};
