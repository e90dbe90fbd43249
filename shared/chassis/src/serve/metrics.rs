//! Metrics of a server: connections, and requests by status.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kit::SaturatingFrom;
use metrics::{Counter, Gauge, Histogram};

use super::limits::ConnectionLimits;
use crate::telemetry::catalogue::Metric;
use crate::telemetry::handles::Scope;

/// The statuses that are counted by number. 499 is a request whose caller disconnected before the response; 500 includes handlers that
/// panicked, whose callers get no response.
pub const STATUSES: &[&str] =
    &["200", "207", "400", "403", "404", "405", "408", "413", "415", "431", "499", "500", "503", OTHER];

const OTHER: &str = "other";

/// The status of a request whose caller disconnected before the response.
const DISCONNECTED: u16 = 499;

/// The status of a request whose handler panicked.
const PANICKED: u16 = 500;

/// The declarations of a server's metrics.
#[derive(Debug, Clone, Copy)]
pub struct ServerMetricSet {
    /// Requests, with the label `status` of [`STATUSES`].
    pub requests: Metric,
    /// The time from a complete head to the response.
    pub duration: Metric,
    pub open_connections: Metric,
    pub capacity_connections: Metric,
    pub accept_errors: Metric,
}

/// The metrics of a running server. Clones share them.
#[derive(Clone)]
pub struct ServerMetrics(Arc<Handles>);

struct Handles {
    /// In the order of [`STATUSES`].
    requests: Vec<Counter>,
    duration: Histogram,
    open_connections: Gauge,
    capacity_connections: Gauge,
    accept_errors: Counter,
}

/// A request in progress. Dropped without a response, it is counted with the status 500 if its handler panicked, otherwise with 499.
pub(super) struct RequestTimer {
    metrics: ServerMetrics,
    start: Instant,
    is_counted: bool,
}

/// An open connection.
pub(super) struct OpenConnection(ServerMetrics);

// === impl ServerMetrics ===

impl ServerMetrics {
    /// Registers the metrics, so that each exists from the start.
    #[must_use]
    pub fn new(scope: &Scope, set: &ServerMetricSet) -> Self {
        let open_connections = scope.gauge(&set.open_connections, &[]);
        open_connections.set(0.0);
        Self(Arc::new(Handles {
            requests: STATUSES
                .iter()
                .map(|status| scope.counter(&set.requests, &[("status", status)]))
                .collect(),
            duration: scope.histogram(&set.duration, &[]),
            open_connections,
            capacity_connections: scope.gauge(&set.capacity_connections, &[]),
            accept_errors: scope.counter(&set.accept_errors, &[]),
        }))
    }

    pub(super) fn set_capacity(&self, limits: &ConnectionLimits) {
        let connections = u32::saturating_from(limits.connections_max);
        self.0.capacity_connections.set(f64::from(connections));
    }

    pub(super) fn count_accept_error(&self) {
        self.0.accept_errors.increment(1);
    }

    /// Counts a request that no handler received.
    pub(super) fn count_unhandled(&self, status: u16) {
        let at = STATUSES.iter().position(|known| known.parse() == Ok(status)).unwrap_or(STATUSES.len() - 1);
        self.0.requests[at].increment(1);
    }

    pub(super) fn open(&self) -> OpenConnection {
        self.0.open_connections.increment(1.0);
        OpenConnection(self.clone())
    }

    pub(super) fn begin(&self) -> RequestTimer {
        RequestTimer { metrics: self.clone(), start: Instant::now(), is_counted: false }
    }
}

impl std::fmt::Debug for ServerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerMetrics").finish_non_exhaustive()
    }
}

// === impl RequestTimer ===

impl RequestTimer {
    pub(super) fn end(mut self, status: u16) {
        self.count(status);
    }

    fn count(&mut self, status: u16) {
        self.is_counted = true;
        self.metrics.count_unhandled(status);
        let elapsed: Duration = self.start.elapsed();
        self.metrics.0.duration.record(elapsed.as_secs_f64());
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        if !self.is_counted {
            self.count(if std::thread::panicking() { PANICKED } else { DISCONNECTED });
        }
    }
}

// === impl OpenConnection ===

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.open_connections.decrement(1.0);
    }
}
