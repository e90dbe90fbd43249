//! HTTP server of the edge.
//!
//! A body is in memory from its first byte until the response is sent, so the bodies are bounded in number and in bytes, whatever the
//! number of connections, and a body must arrive within a timeout. The server rejects excess requests before it reads their bodies.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use chassis::Shutdown;
use chassis::serve::{ConnectionLimits, Peer, error_page};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::admission::{Admission, AdmissionLimits, Slot};
use super::edge_metrics::EdgeMetrics;
use super::ingest::{Edge, Prepared, Produce};
use super::offload::Offload;
use super::rejection::Rejection;
use super::request::Head;
use super::results::response_of;

/// The size of a finding in memory in addition to its text: its outcome, and its result in the response.
pub const FINDING_BYTES: usize = 256;

/// The size of the shortest text that is a finding: a digit and its separator.
const FINDING_TEXT_BYTES: usize = 2;

const PATH: &str = "/v1/findings";

/// Limits of the server.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    pub connections: ConnectionLimits,
    pub admission: AdmissionLimits,
    /// The time within which a body must arrive.
    pub body_timeout: Duration,
}

/// The edge failed to bind its address.
#[derive(Debug, thiserror::Error)]
#[error("edge failed to listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A bound socket that is not served yet.
#[derive(Debug)]
pub struct EdgeServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl EdgeServer {
    /// Binds the address. Port 0 binds a free port.
    ///
    /// # Errors
    /// [`BindError`], for example if the port is in use.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let error = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { listener, address })
    }

    /// Returns the bound address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `shutdown`, then completes the requests in progress whose bodies have arrived, and returns.
pub async fn serve<P: Produce>(
    server: EdgeServer,
    edge: Arc<Edge<P>>,
    limits: ServeLimits,
    metrics: EdgeMetrics,
    shutdown: Shutdown,
) {
    metrics.set_capacity(&limits.admission);
    let shared = Arc::new(Shared {
        edge,
        body_timeout: limits.body_timeout,
        offload: Offload::new(),
        admission: Admission::new(limits.admission, metrics.in_flight),
        shutdown: shutdown.clone(),
    });
    let methods = || post(findings::<P>);
    let app = Router::new()
        .route(PATH, methods())
        .route(&format!("{PATH}/"), methods())
        .fallback(unknown_path)
        .with_state(shared);
    chassis::serve::serve("edge", server.listener, app, limits.connections, metrics.server, shutdown).await;
}

/// State shared by all requests.
struct Shared<P> {
    edge: Arc<Edge<P>>,
    body_timeout: Duration,
    offload: Offload,
    admission: Arc<Admission>,
    shutdown: Shutdown,
}

async fn unknown_path() -> Response {
    error_page(StatusCode::NOT_FOUND, &format!("unknown path: findings are sent to POST {PATH}"))
}

async fn findings<P: Produce>(
    State(shared): State<Arc<Shared<P>>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    match shared.respond(peer, request).await {
        Ok(response) => response,
        Err(rejection) => rejection.response(),
    }
}

impl<P: Produce> Shared<P> {
    async fn respond(&self, peer: Peer, request: Request) -> Result<Response, Rejection> {
        // Before anything is read or reserved: many callers may retry while Kafka is away.
        if self.edge.is_rejecting() {
            return Err(Rejection::BreakerOpen);
        }
        let (parts, body) = request.into_parts();
        let body_max_bytes = self.edge.limits.body_max_bytes;
        let head = Head::check(&parts.headers, body_max_bytes)?;
        let (body, slot) = tokio::select! {
            biased;
            received = self.receive(peer, &head, body) => received?,
            // The rest of the body may never arrive.
            () = self.shutdown.begun() => return Err(Rejection::ShuttingDown),
        };
        self.publish(body, head, slot).await
    }

    /// Publishes the findings of a body, and returns the response. The computations own the slot while they run, because they continue if
    /// the caller disconnects.
    async fn publish(&self, body: Vec<u8>, head: Head, mut slot: Slot) -> Result<Response, Rejection> {
        let body_bytes = body.len();
        let permit = self.offload.permit(body_bytes).await;
        // The maximum until the findings are counted, so that those of the requests that are being read are reserved as well.
        let findings_max = self.edge.limits.items_max.min(body_bytes / FINDING_TEXT_BYTES + 1);
        slot.grow(findings_max * FINDING_BYTES).await?;
        let edge = Arc::clone(&self.edge);
        let prepare = move || {
            let prepared = edge.prepare(&body, head.is_ndjson, head.traceparent.as_deref());
            let findings = prepared.as_ref().map_or(0, Prepared::len);
            slot.shrink(findings_max.saturating_sub(findings) * FINDING_BYTES);
            (prepared, slot)
        };
        let ((prepared, slot), permit) = permit.run(prepare).await;
        let prepared = prepared?;
        let edge = Arc::clone(&self.edge);
        let ((produced, slot), permit) = permit.run(move || (edge.produce(prepared), slot)).await;
        drop(permit);
        let acknowledged = produced.acknowledged().await;
        let respond = move || response_of(&acknowledged.outcomes(), slot);
        let (response, _) = self.offload.permit(body_bytes).await.run(respond).await;
        Ok(response)
    }

    /// Waits for a slot, then reads the body.
    async fn receive(&self, peer: Peer, head: &Head, body: Body) -> Result<(Vec<u8>, Slot), Rejection> {
        let body_max_bytes = self.edge.limits.body_max_bytes;
        let mut slot = self.admission.enter(peer, head.first_bytes(body_max_bytes)).await?;
        let read = head.read(body, body_max_bytes, &mut slot);
        match timeout(self.body_timeout, read).await {
            Ok(body) => Ok((body?, slot)),
            Err(_) => Err(Rejection::TimedOut { timeout_ms: self.body_timeout.as_millis() }),
        }
    }
}
