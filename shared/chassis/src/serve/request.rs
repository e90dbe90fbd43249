//! One request of a connection: from its head to the response.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::activity::Activity;
use super::error_page::{error_page, status_page, with_text};
use super::limits::HEAD_BYTES_MAX;
use super::metrics::ServerMetrics;
use super::request_body::{IsRead, RequestBody};

/// The remote address of a request, an extension of each request. IPv6 addresses are reduced to their network of 64 bits, because one
/// host has all addresses of such a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

/// Responds to the requests of one connection.
#[derive(Debug, Clone)]
pub(super) struct Responder {
    pub(super) app: TowerToHyperService<Router>,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    pub(super) metrics: ServerMetrics,
}

/// The body of a response. Reports its end.
pub(super) struct ResponseBody {
    body: Body,
    activity: Arc<Activity>,
}

// === impl Peer ===

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

// === impl Responder ===

impl Responder {
    async fn respond(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let timer = self.metrics.begin();
        let is_read = IsRead::default();
        let mut request = request.map(|body| RequestBody::new(body, is_read.clone()));
        let mut response = match invalid_host(&request) {
            // The library reads into the free rest of its buffer before it compares a head with the limit.
            _ if head_bytes(&request) > HEAD_BYTES_MAX => {
                status_page(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Some(text) => error_page(StatusCode::BAD_REQUEST, text),
            None => {
                request.extensions_mut().insert(self.peer);
                let Ok(response) = self.app.call(request).await;
                with_text(response)
            }
        };
        if !is_read.get() {
            // The library closes the connection if the rest of the body has not arrived, without an announcement.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        timer.end(response.status().as_u16());
        self.activity.responded();
        response.map(|body| ResponseBody { body, activity: self.activity })
    }
}

impl Service<Request<Incoming>> for Responder {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.received_head();
        let responder = self.clone();
        Box::pin(async move { Ok(responder.respond(request).await) })
    }
}

/// Returns the size of a request head without optional blanks.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let target = request.uri().to_string().len();
    let lines =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len() + lines.sum::<usize>()
}

/// HTTP/1.1 requires exactly one Host, and no version allows an invalid one (RFC 9112, section 3.2).
fn invalid_host<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => {
            Some("malformed request: the header host is missing")
        }
        (None, _) => None,
        (Some(host), None) if is_host(host.as_bytes()) => None,
        (Some(_), None) => Some("malformed request: the header host is no host with an optional port"),
        (Some(_), Some(_)) => Some("malformed request: more than one header host"),
    }
}

/// Returns `true` for a name or address with an optional port, and for none: a host may be empty.
fn is_host(value: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(value) else { return false };
    let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    let port = port.unwrap_or_default();
    !value.contains(&b'@') && port.bytes().all(|byte| byte.is_ascii_digit())
}

// === impl ResponseBody ===

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.activity.completed_body();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_of_ipv6_is_its_network() {
        let peer = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), peer("2001:db8:1:2::1"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
    }
}
