//! Metrics of the publisher, in addition to those of its hosted stage.

use chassis::telemetry::{Kind, Metric};

/// Findings that the edge processed, by outcome. Added up once per request.
pub const FINDINGS: Metric = Metric {
    name: "publisher_edge_findings_total",
    kind: Kind::Counter,
    unit: "findings",
    labels: &[("outcome", &["accepted", "invalid", "failed", "refused", "unknown"])],
    help: "Findings processed by the edge, by outcome.",
};

pub const METRICS: &[Metric] = &[FINDINGS];
