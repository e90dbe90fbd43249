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
//! deliberately keeps no database: coverage is in its topic, and what a source has is asked of [`sources`]. It fetches bars alone: other
//! kinds of data have no source yet, and a request for them says so in its end.
//!
//! A restart reads again which attempts have ended, so that none ends twice; that the same range was asked under another name is
//! forgotten then, and the coverage answers for it.
//!
//! Start at [`service`], then [`stage`]; meaning lives in [`rules`], what a worker thread does in [`work`].

pub mod config;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod sources;
pub mod stage;
pub mod work;
