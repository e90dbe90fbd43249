//! The feature service: requests for features in, vectors out.
//!
//! ```text
//! feature.batch.requested ─┐                         ┌─► feature.vector.computed
//! feature.batch.urgent ────┴► admit ► wait ► compute ┴─► feature.request.failed
//! market.bar.closed ──(tables)───────┘ for the bars acknowledged before the request
//! ```
//!
//! Each symbol of a request ends in one vector or one failure, all of a request in one emission. A vector looks at bars that closed
//! at or before its symbol's `occurred_at` and at nothing else, so that a replay gives the same values.
//!
//! The bars are two tables: its share, of the symbols whose partitions it owns, and those of the benchmarks, which every instance has.
//!
//! It keeps no state beyond the bars: a restart forgets which questions were asked lately, so that one asked again is computed, not
//! refused as a duplicate. A request that has ended is never computed again: its offset left with its answers.
//!
//! It deliberately reads no file, fetches no history and asks nobody: what it knows of the market it has from the bar table.
//!
//! Start at [`service`], then [`stage`]; meaning lives in [`rules`], the way of a request through the stage in [`intake`].

pub mod config;
pub mod intake;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod stage;
pub mod work;
