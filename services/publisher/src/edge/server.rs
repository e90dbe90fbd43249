//! The edge's socket: HTTP in and out.
//!
//! A body is in memory from its first byte to its answer, so only so many requests are let in at a time, whatever the number of
//! connections, and each has only so long to send its body. Who is turned away is told before any of the body is read.

use std::future::Future;
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

use super::outcome::{Outcome, answer, status};
use super::{BodyError, Edge, Produce};

/// Seconds after which a caller that was turned away may come again: a batch is acknowledged or given up in that order of time.
const RETRY_AFTER_S: &str = "1";

/// How much the edge takes on at a time.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Requests whose bodies are in memory.
    pub requests_max: usize,
    /// How long a body may take to come.
    pub body_timeout: Duration,
}

/// A bound socket, not yet served.
#[derive(Debug)]
pub struct EdgeServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl EdgeServer {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says, with the address: a port in use, for one.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let named = |e: std::io::Error| {
            std::io::Error::new(e.kind(), format!("the edge can't listen on {address}: {e}"))
        };
        let listener = TcpListener::bind(address).await.map_err(named)?;
        let address = listener.local_addr().map_err(named)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `end`, then answers the requests that are under way and returns.
///
/// # Errors
/// What the system says of the socket.
pub async fn serve<P: Produce>(
    server: EdgeServer,
    edge: Arc<Edge<P>>,
    limits: ServeLimits,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(server.listener, router(edge, limits)).with_graceful_shutdown(end).await
}

fn router<P: Produce>(edge: Arc<Edge<P>>, limits: ServeLimits) -> Router {
    let body_limit = DefaultBodyLimit::max(edge.limits.body_max_bytes);
    let door = Arc::new(Door { edge, limits, places: Semaphore::new(limits.requests_max) });
    Router::new().route("/v1/findings", post(findings::<P>)).layer(body_limit).with_state(door)
}

/// The edge, and the places of those who may be in it at a time.
struct Door<P> {
    edge: Arc<Edge<P>>,
    limits: ServeLimits,
    places: Semaphore,
}

async fn findings<P: Produce>(State(door): State<Arc<Door<P>>>, request: Request) -> Response {
    // Held until the answer is made.
    let Ok(_place) = door.places.try_acquire() else { return busy(door.limits.requests_max) };
    let headers = request.headers().clone();
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
        let text = format!("content-encoding {encoding:?} can't be read: send the body as it is");
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text);
    }
    let body = match timeout(door.limits.body_timeout, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return unreadable(&rejection, door.edge.limits.body_max_bytes),
        Err(_) => return late(door.limits.body_timeout),
    };
    taken(&door.edge, &headers, &body).await
}

async fn taken<P: Produce>(edge: &Edge<P>, headers: &HeaderMap, body: &[u8]) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ndjson = text(header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("ndjson"));
    match edge.take(body, is_ndjson, text(TRACEPARENT).filter(|text| is_trace(text))).await {
        Ok(outcomes) => answered(&outcomes),
        Err(fault @ BodyError::TooMany { .. }) => error(StatusCode::PAYLOAD_TOO_LARGE, &fault.to_string()),
        Err(fault) => error(StatusCode::BAD_REQUEST, &fault.to_string()),
    }
}

const TRACEPARENT: &str = "traceparent";

/// Whether it may be a W3C trace context. Every record carries it, so its length counts against the topic's bound.
fn is_trace(text: &str) -> bool {
    text.len() == 55 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn busy(requests_max: usize) -> Response {
    let text = format!("{requests_max} requests are being answered, as many as may be at a time: come again");
    let body = Json(json!({ "error": text }));
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_S)], body).into_response()
}

fn late(body_timeout: Duration) -> Response {
    let text = format!("the body did not come within {} ms", body_timeout.as_millis());
    error(StatusCode::REQUEST_TIMEOUT, &text)
}

fn answered(outcomes: &[Outcome]) -> Response {
    let code = StatusCode::from_u16(status(outcomes)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Json(answer(outcomes));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        return (code, [(header::RETRY_AFTER, RETRY_AFTER_S)], body).into_response();
    }
    (code, body).into_response()
}

fn unreadable(rejection: &BytesRejection, body_max_bytes: usize) -> Response {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let text = format!("the body is larger than the {body_max_bytes} bytes that one request may hold");
        return error(StatusCode::PAYLOAD_TOO_LARGE, &text);
    }
    error(rejection.status(), &rejection.body_text())
}

fn error(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({ "error": text }))).into_response()
}
