//! Metrics of the edge, and of the announcer in addition to those of every stage.

use chassis::telemetry::{Kind, Metric};
pub use hosting::{RESTORE_APPLIED, RESTORE_SKIPPED};
use hosting::{stage_counter, stage_gauge};

/// Findings that the edge processed, by outcome. Added up once per request.
pub const FINDINGS: Metric = Metric {
    name: "publisher_edge_findings_total",
    kind: Kind::Counter,
    unit: "findings",
    labels: &[("outcome", &["accepted", "invalid", "failed", "refused", "unknown"])],
    help: "Findings processed by the edge, by outcome.",
};

pub const DEDUP_WINDOWS: Metric = stage_gauge("tapeline_dedup_windows", "windows", "Open dedup windows.");
pub const DEDUP_WINDOW_EVICTIONS: Metric = stage_counter(
    "tapeline_dedup_window_evictions_total",
    "evictions",
    "Dedup windows evicted before their end because too many were open.",
);

pub const METRICS: &[Metric] =
    &[FINDINGS, DEDUP_WINDOWS, DEDUP_WINDOW_EVICTIONS, RESTORE_APPLIED, RESTORE_SKIPPED];
