//! Feature service: computes the requested feature sets of symbols from their bars.
//!
//! # Data flow
//!
//! ```text
//! feature.batch.requested ─┐                                        ┌─► feature.vector.computed
//! feature.batch.urgent ────┴─► admit ─► queue ─► compute ─► reorder ┴─► feature.request.failed
//! market.bar.closed ──(tables)────────────────┘ (the bars that were acknowledged before the request)
//! ```
//!
//! - Each symbol of a request ends in one vector or one failure. All events of a request are one emission.
//! - A vector uses only bars that closed at or before the `occurred_at` of its symbol, so that a replay computes the same values.
//! - The bars are two tables: the co-partitioned table has the symbols of the assigned partitions, the global table has the benchmarks
//!   and is read by every instance.
//! - A request that was resolved is never computed again: its offset is committed in one transaction with its events.
//!
//! # What the service does not do
//!
//! - It has no state except the bars. A restart loses the dedup window: a request that would have been a duplicate is computed.
//! - It reads no files and no history, and calls no other service. The bar tables are its only source of market data.
//!
//! # Example
//!
//! The rules are pure functions of a window of bars:
//!
//! ```
//! use domain::{Bar, FeatureSet, Timeframe, Timestamp};
//! use feature::rules::{Window, compute};
//!
//! let bars = [10.0, 11.0].map(|close| {
//!     let open_time = Timestamp::from_micros(close as i64 * 86_400_000_000);
//!     Bar { open_time, open: 10.0, high: 12.0, low: 9.0, close, volume: 100.0 }
//! });
//! let set = compute(FeatureSet::ReturnsFeatures, &Window::new(Timeframe::Day1, &bars));
//! assert_eq!(set.values[0], ("return_1".into(), 11.0 / 10.0 - 1.0));
//! assert_eq!(set.reason.as_deref(), Some("61 bars needed, 2 held"));
//! ```
//!
//! # Modules
//!
//! [`service`] is the composition root. [`stage`] has the stage, [`intake`] its dedup window, queue and reorder buffer, [`worker`] the
//! job of a worker thread, [`rules`] the feature sets, [`config`] the configuration, [`metric_names`] the metrics of the stage,
//! [`set_counts`] the counts of sets, [`memory`] the memory of the workers.

pub mod config;
pub mod intake;
pub mod memory;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod set_counts;
pub mod stage;
pub mod worker;
