//! Metrics of the edge, and of the announcer in addition to those of every stage.

use chassis::serve::{STATUSES, ServerMetricSet};
use chassis::telemetry::Metric;
pub use hosting::{RESTORE_APPLIED, RESTORE_SKIPPED};
use hosting::{stage_counter, stage_gauge};

/// Findings that the edge processed, by outcome. Added up once per request.
pub const FINDINGS: Metric = Metric::counter(
    "publisher_edge_findings_total",
    "findings",
    "Findings processed by the edge, by outcome.",
)
.labelled(&[("outcome", &["accepted", "invalid", "failed", "refused", "unknown"])]);

/// Bytes of JSON that the edge has read. More than the bodies have: some findings could not be read, and were read again for their errors.
pub const JSON_BYTES: Metric = Metric::counter(
    "publisher_edge_json_bytes_total",
    "bytes",
    "Bytes of JSON that the edge has read; a finding that cannot be read is read again.",
);

/// The metrics of the edge's server. The duration has a bucket at the default timeouts of a body and of an acknowledgement, 10 s.
pub const SERVER: ServerMetricSet = ServerMetricSet {
    requests: Metric::counter(
        "publisher_edge_requests_total",
        "requests",
        "Requests to the edge, by status; 499: the caller disconnected before the response.",
    )
    .labelled(&[("status", STATUSES)]),
    duration: Metric::histogram(
        "publisher_edge_request_duration_seconds",
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0],
        "Time from the head of a request to its response.",
    ),
    open_connections: Metric::gauge(
        "publisher_edge_open_connections",
        "connections",
        "Open connections of the edge.",
    ),
    capacity_connections: Metric::gauge(
        "publisher_edge_capacity_connections",
        "connections",
        "Maximum number of open connections.",
    ),
    accept_errors: Metric::counter(
        "publisher_edge_accept_errors_total",
        "errors",
        "Connections that the edge failed to accept.",
    ),
};

pub const IN_FLIGHT_REQUESTS: Metric = Metric::gauge(
    "publisher_edge_in_flight_requests",
    "requests",
    "Requests whose body is being received or whose response is not sent yet.",
);
pub const CAPACITY_REQUESTS: Metric =
    Metric::gauge("publisher_edge_capacity_requests", "requests", "Maximum number of requests in flight.");
pub const IN_FLIGHT_BYTES: Metric = Metric::gauge(
    "publisher_edge_in_flight_bytes",
    "bytes",
    "Bytes of bodies and results of the requests in flight.",
);
pub const CAPACITY_BYTES: Metric =
    Metric::gauge("publisher_edge_capacity_bytes", "bytes", "Maximum bytes of bodies and results in flight.");

pub const DEDUP_WINDOWS: Metric = stage_gauge("tapeline_dedup_windows", "windows", "Open dedup windows.");
pub const DEDUP_WINDOW_EVICTIONS: Metric = stage_counter(
    "tapeline_dedup_window_evictions_total",
    "evictions",
    "Dedup windows evicted before their end because too many were open.",
);

pub const METRICS: &[Metric] = &[
    FINDINGS,
    JSON_BYTES,
    SERVER.requests,
    SERVER.duration,
    SERVER.open_connections,
    SERVER.capacity_connections,
    SERVER.accept_errors,
    IN_FLIGHT_REQUESTS,
    CAPACITY_REQUESTS,
    IN_FLIGHT_BYTES,
    CAPACITY_BYTES,
    DEDUP_WINDOWS,
    DEDUP_WINDOW_EVICTIONS,
    RESTORE_APPLIED,
    RESTORE_SKIPPED,
];
