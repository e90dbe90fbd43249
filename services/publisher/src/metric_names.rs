//! What the publisher measures beside its hosted stage.

use chassis::telemetry::{Kind, Metric};
use hosting::{stage_counter, stage_gauge};

/// Findings answered at the edge, by what their callers were told; counted once a request.
pub const ANSWERED: Metric = Metric {
    name: "publisher_edge_findings_total",
    kind: Kind::Counter,
    unit: "findings",
    labels: &[("outcome", &["accepted", "invalid", "failed", "refused", "unknown"])],
    help: "Findings answered at the edge, by outcome.",
};

/// Open dedup windows.
pub const DEDUP_WINDOWS: Metric = stage_gauge("tapeline_dedup_windows", "windows", "Open dedup windows.");
/// Dedup windows that were closed early because of the bound.
pub const DEDUP_WINDOW_EVICTIONS: Metric = stage_counter(
    "tapeline_dedup_window_evictions_total",
    "evictions",
    "Dedup windows evicted before their end because too many were open.",
);
/// Output records from which state was restored.
pub const RESTORE_APPLIED: Metric = stage_counter(
    "tapeline_restore_applied_records_total",
    "records",
    "Output records from which state was restored.",
);
/// Output records that restored nothing.
pub const RESTORE_SKIPPED: Metric = stage_counter(
    "tapeline_restore_skipped_records_total",
    "records",
    "Invalid output records skipped during a restoration.",
);

/// The catalogue.
pub const METRICS: &[Metric] =
    &[ANSWERED, DEDUP_WINDOWS, DEDUP_WINDOW_EVICTIONS, RESTORE_APPLIED, RESTORE_SKIPPED];
