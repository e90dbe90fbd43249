//! Metrics of the bridge stage.

use chassis::telemetry::Metric;
use chassis::telemetry::catalogue::NAMES;
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
pub const LIMITER_TOKENS: Metric = stage_gauge(
    "tapeline_limiter_tokens",
    "tokens",
    "Tokens in the bucket of the rate limiter: symbols that may be requested now.",
);
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
pub const LIMITER_WAITING: Metric = stage_gauge(
    "tapeline_limiter_waiting_alerts",
    "alerts",
    "Alerts of ready batches, which wait only for tokens of the rate limiter.",
);
pub const LIMITER_REJECTED: Metric = stage_counter(
    "tapeline_limiter_rejected_total",
    "rejected",
    "Attempts to request a batch that the rate limiter rejected for lack of tokens; a waiting batch is attempted again.",
);
pub const LIMITER_DELAY: Metric = Metric::histogram(
    "tapeline_limiter_delay_seconds",
    &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0],
    "Time from a batch being ready to its request, in which it waits for tokens of the rate limiter.",
)
.labelled(&[("stage", NAMES)]);
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
    LIMITER_TOKENS,
    LIMITER_CAPACITY,
    LIMITER_PASSED,
    LIMITER_DELAYED,
    LIMITER_WAITING,
    LIMITER_REJECTED,
    LIMITER_DELAY,
    RESTORE_APPLIED,
    RESTORE_SKIPPED,
    RESTORE_FOREIGN,
    ALERT_TO_REQUEST,
];
