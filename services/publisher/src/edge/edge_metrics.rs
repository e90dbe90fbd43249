//! Metrics of the edge's server, in addition to the counts of findings.

use chassis::serve::ServerMetrics;
use chassis::telemetry::Scope;
use kit::SaturatingFrom;
use metrics::Gauge;

use super::admission::{AdmissionLimits, InFlight};
use crate::metric_names::{CAPACITY_BYTES, CAPACITY_REQUESTS, IN_FLIGHT_BYTES, IN_FLIGHT_REQUESTS, SERVER};

/// The metrics of the edge's server.
pub struct EdgeMetrics {
    pub(super) server: ServerMetrics,
    pub(super) in_flight: InFlight,
    capacity_requests: Gauge,
    capacity_bytes: Gauge,
}

impl EdgeMetrics {
    /// Registers the metrics.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self {
            server: ServerMetrics::new(scope, &SERVER),
            in_flight: InFlight {
                requests: scope.gauge(&IN_FLIGHT_REQUESTS, &[]),
                bytes: scope.gauge(&IN_FLIGHT_BYTES, &[]),
            },
            capacity_requests: scope.gauge(&CAPACITY_REQUESTS, &[]),
            capacity_bytes: scope.gauge(&CAPACITY_BYTES, &[]),
        }
    }

    pub(super) fn set_capacity(&self, limits: &AdmissionLimits) {
        self.capacity_requests.set(f64::from(u32::saturating_from(limits.requests_max)));
        self.capacity_bytes.set(f64::from(u32::saturating_from(limits.bytes_max)));
    }
}
