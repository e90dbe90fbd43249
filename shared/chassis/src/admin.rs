//! Admin HTTP server: `/live`, `/ready`, `/metrics`, `/config`, `/version`. It has its own thread and runtime, so that it responds when all
//! other threads are blocked.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use crate::health::Health;
use crate::lock::locked;
use crate::serve::{ConnectionLimits, STATUSES, ServerMetricSet, ServerMetrics, error_page, serve};
use crate::shutdown::{Cause, Shutdown};
use crate::telemetry::{Metric, Metrics};

/// The time that the server may take to end. It starts to end after the drain, so that it serves probes until then, and its last
/// responses are worth no more delay.
const END: Duration = Duration::from_secs(1);

/// The metrics of the server.
pub const METRICS: ServerMetricSet = ServerMetricSet {
    requests: Metric::counter(
        "chassis_admin_requests_total",
        "requests",
        "Requests to the admin server, by status.",
    )
    .labelled(&[("status", STATUSES)]),
    duration: Metric::histogram(
        "chassis_admin_request_duration_seconds",
        &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
        "Time from the head of a request to the response of the admin server.",
    ),
    open_connections: Metric::gauge(
        "chassis_admin_open_connections",
        "connections",
        "Open connections of the admin server.",
    ),
    capacity_connections: Metric::gauge(
        "chassis_admin_capacity_connections",
        "connections",
        "Maximum number of them.",
    ),
    accept_errors: Metric::counter(
        "chassis_admin_accept_errors_total",
        "errors",
        "Connections that the admin server failed to accept.",
    ),
};

/// The content of the pages.
#[derive(Debug, Clone)]
pub struct View {
    /// Content of `/live` and `/ready`.
    pub health: Health,
    /// Content of `/metrics`.
    pub metrics: Metrics,
    /// Content of `/config`.
    pub configs: Configs,
    /// Content of `/version`.
    pub version: Version,
}

/// The redacted configurations of the services. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Configs {
    by_service: Arc<Mutex<BTreeMap<&'static str, Value>>>,
}

/// Name, version and optional parts of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    pub name: &'static str,
    pub version: &'static str,
    pub features: &'static [&'static str],
}

impl Version {
    /// Returns the version with the optional parts, without the name.
    #[must_use]
    pub fn details(&self) -> String {
        let features = if self.features.is_empty() { "none".to_owned() } else { self.features.join(", ") };
        format!("{} (features: {features})", self.version)
    }
}

/// The running server. Dropping it stops it, and waits for its end up to 1 s.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: Shutdown,
    ended: Receiver<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("failed to start the admin server: address {address} unavailable")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to start the admin server: no thread available")]
    Thread(#[source] io::Error),
}

// === impl Configs ===

impl Configs {
    /// Publishes the redacted configuration of a service.
    pub fn publish(&self, service: &'static str, redacted: Value) {
        locked(&self.by_service).insert(service, redacted);
    }
}

// === impl Admin ===

impl Admin {
    /// Serves `view` on `address`, within `limits`. Port 0 selects a free port.
    ///
    /// # Errors
    /// The address is unavailable, or the operating system can't start a thread.
    pub fn start(address: SocketAddr, limits: ConnectionLimits, view: View) -> Result<Self, AdminError> {
        let bind = |source| AdminError::Bind { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AdminError::Thread)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(bind)?
        };
        let stop = Shutdown::new();
        let stopped = stop.clone();
        let metrics = ServerMetrics::new(&view.metrics.process_scope(), &METRICS);
        let (end, ended) = mpsc::sync_channel(1);
        let run = move || {
            runtime.block_on(serve("admin", listener, router(view), limits, metrics, stopped));
            // Fails only if the owner is gone.
            let _sent = end.try_send(());
        };
        std::thread::Builder::new().name("admin".to_owned()).spawn(run).map_err(AdminError::Thread)?;
        Ok(Self { address, stop, ended })
    }

    /// Returns the address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.begin(Cause::Requested);
        match self.ended.recv_timeout(END) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => tracing::warn!("admin server still running: not waited for"),
            Err(RecvTimeoutError::Disconnected) => tracing::error!("admin server panicked"),
        }
    }
}

fn router(view: View) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/config", get(configs))
        .route("/config/{service}", get(config))
        .route("/version", get(version))
        .fallback(unknown_path)
        .with_state(Arc::new(view))
}

async fn unknown_path() -> Response {
    error_page(StatusCode::NOT_FOUND, "unknown path; there are /live, /ready, /metrics, /config, /version")
}

async fn live(State(view): State<Arc<View>>) -> Response {
    let liveness = view.health.liveness();
    (status(liveness.live), Json(liveness)).into_response()
}

async fn ready(State(view): State<Arc<View>>) -> Response {
    let readiness = view.health.readiness();
    (status(readiness.ready), Json(readiness)).into_response()
}

async fn metrics(State(view): State<Arc<View>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], view.metrics.render())
        .into_response()
}

async fn configs(State(view): State<Arc<View>>) -> Response {
    Json(&*locked(&view.configs.by_service)).into_response()
}

async fn config(State(view): State<Arc<View>>, Path(service): Path<String>) -> Response {
    let configs = locked(&view.configs.by_service);
    match configs.get(service.as_str()) {
        Some(config) => Json(config).into_response(),
        None => {
            let known: Vec<_> = configs.keys().collect();
            let error = format!("unknown service {service}");
            (StatusCode::NOT_FOUND, Json(json!({ "error": error, "services": known }))).into_response()
        }
    }
}

async fn version(State(view): State<Arc<View>>) -> Response {
    Json(&view.version).into_response()
}

fn status(is_ok: bool) -> StatusCode {
    if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
