//! Metrics of the bridge stage.

use chassis::telemetry::Metric;
pub use hosting::{RESTORE_APPLIED, RESTORE_SKIPPED};
use hosting::{latency_histogram, stage_counter, stage_gauge};

pub const DEDUP_WINDOWS: Metric = stage_gauge("tapeline_dedup_windows", "windows", "Open dedup windows.");
pub const DEDUP_WINDOW_EVICTIONS: Metric = stage_counter(
    "tapeline_dedup_window_evictions_total",
    "evictions",
    "Dedup windows evicted before their end because too many were open.",
);
pub const WAITING_ALERTS: Metric =
    stage_gauge("tapeline_batch_waiting_alerts", "alerts", "Alerts waiting to be requested in a batch.");
pub const LIMITER_CAPACITY: Metric = stage_gauge(
    "tapeline_limiter_capacity_symbols",
    "symbols",
    "Capacity of the rate limiter: symbols that may be requested at once.",
);
pub const LIMITER_PASSED: Metric = stage_counter(
    "tapeline_limiter_passed_symbols_total",
    "symbols",
    "Symbols that passed the rate limiter.",
);
pub const LIMITER_DELAYED: Metric = stage_counter(
    "tapeline_limiter_delayed_batches_total",
    "batches",
    "Batches that the rate limiter delayed.",
);
pub const RESTORE_FOREIGN: Metric = stage_counter(
    "tapeline_restore_foreign_records_total",
    "records",
    "Records of other producers ignored during a restoration.",
);

/// From an alert to its request.
pub const ALERT_TO_REQUEST: Metric = latency_histogram(
    "tapeline_alert_to_request_seconds",
    "Time from the append of the oldest alert of a batch to its topic until its request is emitted, by lane.",
);

pub const METRICS: &[Metric] = &[
    DEDUP_WINDOWS,
    DEDUP_WINDOW_EVICTIONS,
    WAITING_ALERTS,
    LIMITER_CAPACITY,
    LIMITER_PASSED,
    LIMITER_DELAYED,
    RESTORE_APPLIED,
    RESTORE_SKIPPED,
    RESTORE_FOREIGN,
    ALERT_TO_REQUEST,
];
