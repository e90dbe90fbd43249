//! The scanner bridge: alerts of scanners become requests for features.
//!
//! ```text
//! scanner.alert.raised ─► validate ─► dedup ─► map ─► prioritise ─► batch ─► limit ─┬► feature.batch.requested
//!                                                                                   └► feature.batch.urgent (priority ≥ 8)
//! ```
//!
//! It is the only writer of `feature.batch.*`. It deliberately computes no features, keeps no store of its own (its windows are found again in its requests), and doesn't split
//! batches: a batch never grows beyond what one request may hold.
//!
//! Start at [`service`], then [`stage`] and [`rules`]; the mapping that says what each alert type asks for is `config/mapping.toml`, read by [`mapping_file`].

pub mod config;
pub mod mapping_file;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod stage;
