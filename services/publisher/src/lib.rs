//! The publisher: findings of scanners into Kafka, and proposals of symbols into announcements.
//!
//! ```text
//! HTTP ─► edge ─┬─► scanner.alert.raised
//!               ├─► market.gap.detected
//!               └─► scanner.symbol.proposed ─► announcer ─┬─► scanner.symbol.qualified
//!                                              (once)     └─► scanner.symbol.promoted
//! ```
//!
//! It deliberately judges no finding by its worth, and knows no caller's name yet: tokens and quotas aren't built.
//!
//! Start at [`service`], then [`edge`] and [`stage`]; what is announced is said in [`rules`].

pub mod config;
pub mod edge;
pub mod metric_names;
pub mod rules;
pub mod service;
pub mod stage;
