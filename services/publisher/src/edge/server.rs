//! The edge's socket: HTTP in and out.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;

use super::outcome::{Outcome, answer, status};
use super::{BodyFault, Edge, Produce};

/// Seconds after which a caller that was turned away may come again: a batch is acknowledged or given up in that order of time.
const RETRY_AFTER_S: &str = "1";

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
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(server.listener, router(edge)).with_graceful_shutdown(end).await
}

pub(super) fn router<P: Produce>(edge: Arc<Edge<P>>) -> Router {
    let limit = DefaultBodyLimit::max(edge.limits.body_max_bytes);
    Router::new().route("/v1/findings", post(findings::<P>)).layer(limit).with_state(edge)
}

async fn findings<P: Produce>(
    State(edge): State<Arc<Edge<P>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection, edge.limits.body_max_bytes),
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ndjson = text(header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("ndjson"));
    match edge.take(&body, is_ndjson, text("traceparent")).await {
        Ok(outcomes) => answered(&outcomes),
        Err(fault @ BodyFault::TooMany { .. }) => error(StatusCode::PAYLOAD_TOO_LARGE, &fault.to_string()),
        Err(fault) => error(StatusCode::BAD_REQUEST, &fault.to_string()),
    }
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
