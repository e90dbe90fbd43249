//! The backfill service: what is missing of a symbol's history is fetched once.
//!
//! ```text
//! scanner.symbol.qualified ─┐
//! scanner.symbol.promoted  ─┼─► planner ─► backfill.range.requested ─► executor ─┬─► market.bar.closed
//! market.gap.detected      ─┘                     ▲ (manual requests)      ▲     ├─► backfill.range.progressed, .completed, .failed
//!                                                                          └─────┴─► backfill.coverage.changed (its own state)
//! ```
//!
//! The planner turns facts into requests and keeps no state; the executor fetches what coverage lacks and ends each request once. It
//! deliberately keeps no database: coverage is in its topic, and what a source has is asked of [`sources`].
//!
//! Start at [`rules`].

pub mod rules;
pub mod sources;
