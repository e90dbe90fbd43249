//! Backfill service: fetches the missing history of a symbol, each range once.
//!
//! # Data flow
//!
//! ```text
//! scanner.symbol.qualified ─┐
//! scanner.symbol.promoted  ─┼─► planner ─► backfill.range.requested ─► executor ─┬─► market.bar.closed,
//! market.gap.detected      ─┘                     ▲ (manual requests)    ▲ ▲     │   .news.published, .corporate-action.announced
//!                                                                 source ┘ │     ├─► backfill.range.progressed
//!                                                                          │     ├─► backfill.range.completed, .failed
//!                                                                          └─────┴─► backfill.coverage.changed
//! ```
//!
//! - The planner stage turns a qualification, a promotion or a gap into at most one request for a range. It has no state.
//! - The executor stage gathers the requests of a symbol into fetches, fetches in chunks what the coverage lacks, and ends each attempt
//!   at a backfill with exactly one terminal event. The records, the progress and the coverage of a chunk are one transaction.
//! - A source returns bars, news or corporate actions, and a horizon. A range is covered up to the horizon; what the source does not have ends the request with an
//!   error and is fetched again by a later request.
//! - Coverage, the intervals of each series that are in the topics already, is the only durable state of the executor. It is kept in a
//!   compacted topic and restored at assignment. The terminal events of the dedup window are restored as well, so that no attempt ends
//!   twice. They do not name the range of their request: after a restart, the same range under another id is served from the coverage.
//! - A request with `refetch` takes its range out of the coverage first. A request with `cancel` ends the running attempts of a backfill.
//!
//! # What the service does not do
//!
//! - It depends on no database and has no files of its own: the ledger is a view for people.
//! - It serves no fundamentals and options. The planner does not request data for a layer that the source lacks; a request for a gap or of an
//!   operator ends with an error that names them.
//! - It does not fetch bars that have not closed, and does not serve live bars.
//! - It does not detect corrections of the source: a request with `refetch` fetches a covered range again, and the keeper the newest sessions if configured.
//!
//! # Modules
//!
//! [`service`] is the composition root. [`stage`] has the two stages, [`rules`] the decisions without I/O, [`sources`] the suppliers of
//! bars, [`worker`] the job of a worker thread, [`config`] the configuration, [`metric_names`] the metrics of the executor,
//! [`range_counts`] the counts of ended requests, [`coverage_reader`] which coverage records views ignore, [`served`] the restriction of the configuration to what the source serves.

pub mod config;
pub mod coverage_reader;
pub mod features;
#[cfg_attr(not(feature = "ledger"), path = "ledger_absent.rs")]
pub mod ledger;
pub mod metric_names;
pub mod owned_partitions;
pub mod range_counts;
pub mod rules;
pub mod served;
pub mod service;
pub mod sources;
pub mod stage;
pub mod worker;
