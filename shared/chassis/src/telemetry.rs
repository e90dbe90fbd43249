//! Logs and metrics. The rules for names, labels and fields are in `docs/instrumentation.md`.

pub mod catalogue;
pub mod counting;
pub mod handles;
pub mod logs;
pub mod metrics;
pub mod poll_delay;
pub mod process;

pub use catalogue::{Catalogue, Kind, Metric};
pub use handles::{LocalCounter, Scope};
pub use logs::Logs;
pub use metrics::Metrics;
