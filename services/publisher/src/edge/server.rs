//! HTTP server of the edge.
//!
//! A body is in memory from its first byte until the response, so the number of concurrent requests is limited, whatever the number
//! of connections, and a body must arrive within a timeout. The server rejects excess requests before it reads the body.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::body::BodyError;
use super::ingest::{Edge, Produce};
use super::outcome::{Outcome, response_body, response_status};

/// The value of `Retry-After`, in seconds. A batch is acknowledged or times out within seconds.
const RETRY_AFTER_S: &str = "1";

/// Limits of concurrent requests.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Maximum number of requests whose bodies are in memory.
    pub requests_max: usize,
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

/// Serves until `end`, then completes the requests in progress and returns.
///
/// # Errors
/// An error of the socket.
pub async fn serve<P: Produce>(
    server: EdgeServer,
    edge: Arc<Edge<P>>,
    limits: ServeLimits,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(server.listener, router(edge, limits)).with_graceful_shutdown(end).await
}

fn router<P: Produce>(edge: Arc<Edge<P>>, limits: ServeLimits) -> Router {
    let body_limit = DefaultBodyLimit::max(edge.limits.body_max_bytes);
    let shared = Arc::new(Shared { edge, limits, permits: Semaphore::new(limits.requests_max) });
    Router::new().route("/v1/findings", post(findings::<P>)).layer(body_limit).with_state(shared)
}

/// State shared by all requests.
struct Shared<P> {
    edge: Arc<Edge<P>>,
    limits: ServeLimits,
    /// One per request in progress.
    permits: Semaphore,
}

async fn findings<P: Produce>(State(shared): State<Arc<Shared<P>>>, request: Request) -> Response {
    // Held until the response is complete.
    let Ok(_permit) = shared.permits.try_acquire() else { return busy(shared.limits.requests_max) };
    let headers = request.headers().clone();
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
        let text = format!("unsupported content-encoding {encoding:?}: send the body without an encoding");
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text);
    }
    let body = match timeout(shared.limits.body_timeout, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return unreadable(&rejection, shared.edge.limits.body_max_bytes),
        Err(_) => return timed_out(shared.limits.body_timeout),
    };
    ingest(&shared.edge, &headers, &body).await
}

async fn ingest<P: Produce>(edge: &Edge<P>, headers: &HeaderMap, body: &[u8]) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ndjson = text(header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("ndjson"));
    match edge.ingest(body, is_ndjson, text(TRACEPARENT).filter(|text| is_trace(text))).await {
        Ok(outcomes) => response_of(&outcomes),
        Err(invalid @ BodyError::TooMany { .. }) => {
            error(StatusCode::PAYLOAD_TOO_LARGE, &invalid.to_string())
        }
        Err(invalid) => error(StatusCode::BAD_REQUEST, &invalid.to_string()),
    }
}

const TRACEPARENT: &str = "traceparent";

/// Returns `true` if it may be a W3C trace context. Every record of the request carries it, so its length counts against the maximum
/// size of a record.
fn is_trace(text: &str) -> bool {
    text.len() == 55 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn busy(requests_max: usize) -> Response {
    let text = format!("request rejected: {requests_max} requests are in progress, the maximum; retry later");
    let body = Json(json!({ "error": text }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_S)], body).into_response()
}

fn timed_out(body_timeout: Duration) -> Response {
    let text = format!("request timed out: the body did not arrive within {} ms", body_timeout.as_millis());
    error(StatusCode::REQUEST_TIMEOUT, &text)
}

fn response_of(outcomes: &[Outcome]) -> Response {
    let code = StatusCode::from_u16(response_status(outcomes)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(response_body(outcomes));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        return (code, [(header::RETRY_AFTER, RETRY_AFTER_S)], body).into_response();
    }
    (code, body).into_response()
}

fn unreadable(rejection: &BytesRejection, body_max_bytes: usize) -> Response {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let text = format!("request too large: at most {body_max_bytes} bytes are allowed in one body");
        return error(StatusCode::PAYLOAD_TOO_LARGE, &text);
    }
    error(rejection.status(), &rejection.body_text())
}

fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}
