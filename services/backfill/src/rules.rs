//! Decisions of the backfill service, as pure functions and state: no Kafka, no source, no clock.
//!
//! Planner stage: [`planner`] turns a fact into at most one request for a range.
//!
//! Executor stage: [`attempts`] deduplicates requests and attempts; [`coalescer`] gathers requests into fetches and selects the next one
//! to run; [`timeframes`] lists the bars of a layer; [`coverage`] has the intervals that are in the topics already, [`deletions`]
//! what tombstones deleted of it; [`chunks`] splits the
//! missing ones; [`expected_bars`] decides whether a range should have a bar, [`session_slots`] lists the bars of a session, [`finality`] when a bar counts as final; [`source_breaker`] stops
//! calls to a source that fails; [`bar_pace`] bounds the bars that are written in a time.
//!
//! Keeper: [`keeper`] finds the holes of a series by [`calendar_slots`]; [`live_bars`] has the slots that live bars fill, [`live_sessions`] finds the
//! sessions that they keep complete, [`restated`] those that are fetched again.
//!
//! Files: [`path_pattern`] has their paths, [`file_columns`] the names of their columns.
//!
//! Times are arguments. Ranges are half-open here; on the wire they include their end.

pub mod attempts;
pub mod bar_pace;
pub mod calendar_slots;
pub mod chunks;
pub mod coalescer;
pub mod coverage;
pub mod deletions;
pub mod expected_bars;
pub mod file_columns;
pub mod finality;
mod gathering;
pub mod keeper;
pub mod live_bars;
pub mod live_sessions;
pub mod path_pattern;
pub mod planner;
pub mod restated;
pub mod series;
pub mod session_slots;
pub mod source_breaker;
pub mod timeframes;
