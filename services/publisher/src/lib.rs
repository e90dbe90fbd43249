//! Publisher: publishes findings of scanners to Kafka, and announces proposed symbols.
//!
//! ```text
//! HTTP ─► edge ─┬─► scanner.alert.raised
//!               ├─► market.gap.detected
//!               └─► scanner.symbol.proposed ─► announcer ─┬─► scanner.symbol.qualified
//!                                              (once per  └─► scanner.symbol.promoted
//!                                               window)
//! ```
//!
//! - The [`edge`] validates the findings of a request, produces them in one batch, and returns an outcome for each. It keeps no
//!   state: a finding is stored once the brokers acknowledged it.
//! - The announcer is a [`stage`]: a consumer group with exactly-once output. Its [`rules`] deduplicate proposals.
//!
//! The crate does not rate or rank findings, does not deduplicate alerts (that is `scanner-bridge`), and does not authenticate
//! callers: tokens and quotas are not implemented, so the edge listens on the loopback address by default.
//!
//! [`service`] is the composition root; [`config`] holds the settings.

pub mod config;
pub mod edge;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod stage;
