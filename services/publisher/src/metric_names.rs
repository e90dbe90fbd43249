//! What the publisher measures beside its hosted stage.

use chassis::telemetry::{Kind, Metric};

/// Findings answered at the edge, by what their callers were told; counted once a request.
pub const ANSWERED: Metric = Metric {
    name: "publisher_edge_findings_total",
    kind: Kind::Counter,
    unit: "findings",
    labels: &[("outcome", &["accepted", "invalid", "failed", "refused", "unknown"])],
    help: "Findings answered at the edge, by outcome.",
};

/// The catalogue.
pub const METRICS: &[Metric] = &[ANSWERED];
