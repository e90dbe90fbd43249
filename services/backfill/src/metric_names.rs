//! Metrics of the executor stage.

use chassis::telemetry::Metric;
use hosting::{stage_counter, stage_gauge};

pub const SKIPPED_COVERAGE_CHANGES: Metric = stage_counter(
    "tapeline_skipped_coverage_changes_total",
    "changes",
    "Invalid coverage changes skipped in the coverage table.",
);
pub const WAITING_REQUESTS: Metric =
    stage_gauge("tapeline_backfill_waiting_requests", "requests", "Backfill requests that are not complete.");
pub const RUNNING_FETCHES: Metric = stage_gauge(
    "tapeline_backfill_running_fetches",
    "fetches",
    "Fetches from the data source that are running.",
);
pub const RESTORE_APPLIED: Metric = stage_counter(
    "tapeline_restore_applied_records_total",
    "records",
    "Output records from which state was restored.",
);
pub const RESTORE_SKIPPED: Metric = stage_counter(
    "tapeline_restore_skipped_records_total",
    "records",
    "Invalid output records skipped during a restoration.",
);

pub const METRICS: &[Metric] =
    &[SKIPPED_COVERAGE_CHANGES, WAITING_REQUESTS, RUNNING_FETCHES, RESTORE_APPLIED, RESTORE_SKIPPED];
