//! Scanner bridge: turns alerts of scanners into requests for features.
//!
//! ```text
//! scanner.alert.raised ─► validate ─► dedup ─► map ─► prioritise ─► batch ─► limit ─┬► feature.batch.requested
//!                                                                                   └► feature.batch.urgent (priority ≥ 8)
//! ```
//!
//! An alert is held until the request that contains it is acknowledged; the request and the offsets of its alerts are committed in
//! one transaction. The bridge is the only writer of `feature.batch.*`.
//!
//! The crate computes no features, and it has no store: dedup windows are restored from its own requests. It never splits a batch,
//! because a batch never exceeds the limits of one request.
//!
//! [`service`] is the composition root, [`stage`] connects the [`rules`] to the engine, and [`config`] holds the settings. The
//! built-in mapping of alert types to feature sets is `config/mapping.toml`, read by [`mapping_file`].

pub mod config;
pub mod mapping_file;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod stage;
