//! Fault injection: Tapeline's services on three real brokers with numbered input at a steady pace and faults by a seeded plan.
//! After the run, the lost, doubled and reordered records are counted from the topics.
//!
//! [`storm::run`] runs a storm. [`plan`] decides which faults occur and [`injection`] injects them; [`numbers`] defines the input
//! and [`oracle`] the expected output. The crate uses the services only as an operator does: by configuration, signals, exit codes,
//! metrics and topics.

pub mod audit;
pub mod backfill_oracle;
pub mod child_processes;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod distribution;
pub mod fleet;
pub mod injection;
pub mod instance;
pub mod numbers;
pub mod oracle;
pub mod plan;
pub mod plan_run;
pub mod producer_process;
pub mod proposals;
pub mod proxy;
pub mod report;
pub mod service;
pub mod signals;
pub mod storm;
pub mod timeline;
pub mod watcher_process;
