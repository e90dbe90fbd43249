//! A market run, as `dev` and `replay` share it.
//!
//! [`open`] reads bars and findings. [`MarketRunner`] publishes them date by date, waits until their alerts are resolved
//! ([`AlertWaiter`], from what [`TopicFollower`] reads), and [`RunAudit`] counts and reports the run from its topics.

mod alert_tracker;
mod alert_waiter;
mod args;
mod bar_files;
mod edge_client;
mod finding_poster;
mod findings_file;
mod output_files;
mod plan;
mod progress_bar;
mod rejected_findings;
mod replayed_dates;
mod retries;
mod run_audit;
mod run_report;
mod runner;
#[cfg(test)]
mod scripted_edge;
mod topic_contents;
mod topic_dump;
mod topic_follower;
mod vector_line;

pub use self::alert_tracker::AlertTracker;
pub use self::alert_waiter::AlertWaiter;
pub use self::args::{MarketArgs, Speed};
pub use self::edge_client::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, EdgeClient, EdgeError, ItemResult, PostLines, Posted,
};
pub use self::finding_poster::FindingPoster;
pub use self::output_files::check_outputs;
pub use self::plan::{MarketPlan, open};
pub use self::progress_bar::DateProgress;
pub use self::rejected_findings::RejectedFindings;
pub use self::retries::Retries;
pub use self::run_audit::{RunAudit, RunEnd};
pub use self::run_report::{RunReport, StageReport};
pub use self::runner::MarketRunner;
#[cfg(test)]
pub(crate) use self::scripted_edge::{ScriptedEdge, result};
pub use self::topic_follower::{FollowerTask, TopicFollower, end_following, follow};
