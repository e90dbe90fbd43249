//! Source field of the events of both stages.

/// The `source` of events that do not carry bars. Bars and progress have the name of the source of the bars.
pub(super) const EVENT_SOURCE: &str = "backfill";
