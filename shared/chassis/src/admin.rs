//! The admin server: `/live /ready /metrics /config /version`, on a thread and a runtime of its own, so that it answers
//! when everything else is stuck.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use crate::health::Health;
use crate::lock::locked;
use crate::shutdown::{Cause, Shutdown};
use crate::telemetry::Metrics;

/// What the server shows.
#[derive(Debug, Clone)]
pub struct View {
    /// For `/live` and `/ready`.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/config`.
    pub configs: Configs,
    /// For `/version`.
    pub version: Version,
}

/// The configurations of the process's services, redacted. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Configs {
    by_service: Arc<Mutex<BTreeMap<&'static str, Value>>>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The program.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// The running server; dropping it ends it.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: Shutdown,
    thread: Option<JoinHandle<()>>,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address can't be had.
    #[error("admin server can't listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// No thread or runtime to be had.
    #[error("admin server can't start its thread")]
    Thread(#[source] io::Error),
}

// === impl Configs ===

impl Configs {
    /// Shows `redacted` as the configuration of `service`.
    pub fn publish(&self, service: &'static str, redacted: Value) {
        locked(&self.by_service).insert(service, redacted);
    }
}

// === impl Admin ===

impl Admin {
    /// Listens on `address` (port 0: any free one) and serves `view`.
    ///
    /// # Errors
    ///
    /// When the address can't be had, which names it, or the system has no thread to give.
    pub fn start(address: SocketAddr, view: View) -> Result<Self, AdminError> {
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
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    result = axum::serve(listener, router(view)) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "admin server ended");
                        }
                    }
                    () = stopped.begun() => {}
                }
            });
        };
        let thread =
            std::thread::Builder::new().name("admin".to_owned()).spawn(serve).map_err(AdminError::Thread)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.begin(Cause::Asked);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("admin server panicked");
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
        .with_state(Arc::new(view))
}

async fn live(State(view): State<Arc<View>>) -> Response {
    let answer = view.health.liveness();
    (status(answer.live), Json(answer)).into_response()
}

async fn ready(State(view): State<Arc<View>>) -> Response {
    let answer = view.health.readiness();
    (status(answer.ready), Json(answer)).into_response()
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
            let error = format!("no service {service} in this process");
            (StatusCode::NOT_FOUND, Json(json!({ "error": error, "services": known }))).into_response()
        }
    }
}

async fn version(State(view): State<Arc<View>>) -> Response {
    Json(&view.version).into_response()
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
