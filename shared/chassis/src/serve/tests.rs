//! The server over real sockets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::admin;
use crate::shutdown::{Cause, Shutdown};
use crate::telemetry::{Catalogue, Metric, Metrics};

/// Longer than any test; a timeout of a test fails it.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);
/// Longer than a test waits: a connection that ends was ended by another mechanism.
const HOUR: Duration = Duration::from_secs(3_600);

const LENIENT: ConnectionLimits =
    ConnectionLimits { connections_max: 100, head_timeout: HOUR, idle_timeout: HOUR };
const STRICT: ConnectionLimits = ConnectionLimits { head_timeout: SHORT, idle_timeout: SHORT, ..LENIENT };

const METRICS: &[Metric] = &[
    admin::METRICS.requests,
    admin::METRICS.duration,
    admin::METRICS.open_connections,
    admin::METRICS.capacity_connections,
    admin::METRICS.accept_errors,
];

/// A body that never ends.
struct Endless;

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4_096])))))
    }
}

struct Bench {
    address: std::net::SocketAddr,
    /// `/gated` responds when a permit is available, and adds one to `entered` before.
    gate: Arc<Semaphore>,
    entered: Arc<Semaphore>,
    metrics: Metrics,
    shutdown: Shutdown,
    server: JoinHandle<()>,
}

async fn bench(limits: ConnectionLimits) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
    let server_metrics = ServerMetrics::new(&metrics.process_scope(), &admin::METRICS);
    let (gate, entered, shutdown) =
        (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)), Shutdown::new());
    let (open, enter) = (Arc::clone(&gate), Arc::clone(&entered));
    let gated = async move || {
        enter.add_permits(1);
        open.acquire().await.unwrap().forget();
        "done"
    };
    let app = Router::new()
        .route("/now", get(async || "now"))
        .route("/gated", get(gated))
        .route("/panic", get(async || -> &'static str { panic!("a handler of a test") }))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/endless", get(async || Response::new(Body::new(Endless))))
        .route("/ignored", post(async |_: Request| "ignored"))
        .route("/read", post(async |_: Bytes| "read"));
    let serving = serve("test", listener, app, limits, server_metrics, shutdown.clone());
    #[expect(clippy::disallowed_methods, reason = "a test's own task, ended by the runtime of the test")]
    let server = tokio::spawn(serving);
    Bench { address, gate, entered, metrics, shutdown, server }
}

impl Bench {
    async fn send(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    /// Returns the response to a request that ends the connection.
    async fn response(&self, request: &str) -> String {
        rest(self.send(request).await).await
    }

    async fn entered(&self) {
        timeout(LONG, self.entered.acquire()).await.unwrap().unwrap().forget();
    }

    fn counts(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|found| found == line)
    }

    async fn eventually(&self, line: &str) {
        let counted = async {
            while !self.counts(line) {
                tokio::task::yield_now().await;
            }
        };
        let counted = timeout(LONG, counted).await;
        assert!(counted.is_ok(), "{line} is missing in\n{}", self.metrics.render());
    }

    async fn ended(self) {
        timeout(LONG, self.server).await.unwrap().unwrap();
    }
}

/// Reads until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
    // A reset is an end too.
    drop(read);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response of a connection that remains open.
async fn one(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 1_024];
    let count = timeout(LONG, stream.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

const HALF: &str = "GET /now HTTP/1.1\r\nHost: a\r\n";
const NOW: &str = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";
const NOW_CLOSING: &str = "GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const GATED: &str = "GET /gated HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn connection_without_a_request_in_time_is_closed() {
    let bench = bench(STRICT).await;
    assert_eq!(rest(bench.send("").await).await, "");
    let half = rest(bench.send(HALF).await).await;
    assert!(half.starts_with("HTTP/1.1 408 ") && half.ends_with("did not arrive in time\"}"), "{half}");
    let idle = rest(bench.send(NOW).await).await;
    assert!(idle.starts_with("HTTP/1.1 200 ") && idle.ends_with("now"), "{idle}");
    bench.eventually("chassis_admin_open_connections 0").await;
    assert!(bench.counts("chassis_admin_requests_total{status=\"408\"} 1"));
    assert!(bench.counts("chassis_admin_requests_total{status=\"200\"} 1"));
}

#[tokio::test]
async fn second_head_on_a_connection_must_arrive_in_time() {
    let bench = bench(ConnectionLimits { head_timeout: SHORT, ..LENIENT }).await;
    let mut stream = bench.send(NOW).await;
    assert!(one(&mut stream).await.ends_with("now"));
    stream.write_all(HALF.as_bytes()).await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn response_that_is_not_read_is_abandoned() {
    let bench = bench(ConnectionLimits { idle_timeout: SHORT, ..LENIENT }).await;
    let stream = bench.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    bench.eventually("chassis_admin_requests_total{status=\"200\"} 1").await;
    bench.eventually("chassis_admin_open_connections 0").await;
    assert!(rest(stream).await.len() < 64 << 20);
}

#[tokio::test]
async fn response_must_be_read_in_time_as_a_whole() {
    let bench = bench(ConnectionLimits { idle_timeout: SHORT, ..LENIENT }).await;
    let mut stream = bench.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut buffer = vec![0; 4_096];
    let read = async { while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {} };
    timeout(LONG, read).await.unwrap();
    bench.eventually("chassis_admin_open_connections 0").await;
}

#[tokio::test]
async fn shutdown_abandons_a_response_that_is_not_read() {
    let bench = bench(LENIENT).await;
    let _unread = bench.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    bench.eventually("chassis_admin_requests_total{status=\"200\"} 1").await;
    bench.shutdown.begin(Cause::Requested);
    bench.ended().await;
}

#[tokio::test]
async fn shutdown_closes_connections_without_a_request() {
    let bench = bench(LENIENT).await;
    let mut idle = bench.send(NOW).await;
    assert!(one(&mut idle).await.ends_with("now"));
    let others = [bench.send("").await, bench.send(HALF).await];
    bench.eventually("chassis_admin_open_connections 3").await;
    bench.shutdown.begin(Cause::Requested);
    for stream in others.into_iter().chain([idle]) {
        assert_eq!(rest(stream).await, "");
    }
    bench.ended().await;
}

#[tokio::test]
async fn shutdown_completes_a_request_in_progress() {
    let bench = bench(LENIENT).await;
    let stream = bench.send("GET /gated HTTP/1.1\r\nHost: a\r\n\r\n").await;
    bench.entered().await;
    bench.shutdown.begin(Cause::Requested);
    bench.gate.add_permits(1);
    let response = rest(stream).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("done"), "{response}");
    bench.ended().await;
}

#[tokio::test]
async fn excess_connection_displaces_the_oldest_waiting_one() {
    let bench = bench(ConnectionLimits { connections_max: 1, ..LENIENT }).await;
    let unused = bench.send("").await;
    bench.eventually("chassis_admin_open_connections 1").await;
    let mut second = bench.send(NOW).await;
    assert!(one(&mut second).await.ends_with("now"));
    assert_eq!(rest(unused).await, "");
}

#[tokio::test]
async fn excess_connection_is_rejected_if_all_have_requests() {
    let bench = bench(ConnectionLimits { connections_max: 1, ..LENIENT }).await;
    let busy = bench.send(GATED).await;
    bench.entered().await;
    let excess = bench.response(NOW).await;
    assert!(excess.starts_with("HTTP/1.1 503 ") && excess.contains("\r\nretry-after: 1\r\n"), "{excess}");
    assert!(excess.ends_with("is open; retry later\"}"), "{excess}");
    assert!(bench.counts("chassis_admin_requests_total{status=\"503\"} 1"));
    bench.gate.add_permits(1);
    assert!(rest(busy).await.ends_with("done"));
}

#[tokio::test]
async fn burst_of_requests_stays_within_the_bound() {
    const BURST: usize = 80;
    let bench = bench(ConnectionLimits { connections_max: 3, ..LENIENT }).await;
    // Blocking, so that all requests have arrived before the server accepts the first.
    let connect = |_| {
        let mut stream = std::net::TcpStream::connect(bench.address).unwrap();
        std::io::Write::write_all(&mut stream, GATED.as_bytes()).unwrap();
        stream
    };
    let _callers: Vec<_> = (0..BURST).map(connect).collect();
    let responses = async {
        loop {
            let entered = bench.entered.available_permits();
            let rejected = BURST - entered;
            if bench.counts(&format!("chassis_admin_requests_total{{status=\"503\"}} {rejected}")) {
                return entered;
            }
            tokio::task::yield_now().await;
        }
    };
    let entered = timeout(LONG, responses).await.unwrap();
    assert!((3..=3 + limits::DISPLACED_MAX).contains(&entered), "{entered}");
}

#[tokio::test]
async fn every_error_has_a_json_body() {
    let bench = bench(LENIENT).await;
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let large = format!("x: {}\r\n", "y".repeat(100 << 10));
    let with = |headers: &str| format!("GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    let cases = [
        (with(&many), 431),
        (with(&large), 431),
        (with("Content-Length: -1\r\n"), 400),
        (with("Host: b\r\n"), 400),
        ("GET /now HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (with("").replace("/now", "/never"), 404),
        (with("").replace("GET", "PUT"), 405),
        // The head exceeds its maximum before the path exceeds that of the library, so that 414 is never returned.
        (with("").replace("/now", &format!("/{}", "n".repeat(66 << 10))), 431),
        ("\u{16}\u{3}\u{1} hello\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
    ];
    for (request, status) in cases {
        let response = bench.response(&request).await;
        let start: String = request.chars().take(60).collect();
        let body = response.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("{start}: {response}"));
        let error: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(error["error"].as_str().is_some_and(|text| text.len() > 10), "{start}: {response}");
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {response}");
    }
    assert!(bench.counts("chassis_admin_requests_total{status=\"431\"} 3"), "{}", bench.metrics.render());
    assert!(bench.counts("chassis_admin_requests_total{status=\"400\"} 5"), "{}", bench.metrics.render());
    assert!(!STATUSES.contains(&"414"), "a status that is declared can be returned");
}

#[tokio::test]
async fn head_above_its_maximum_is_rejected() {
    let bench = bench(LENIENT).await;
    let head = |bytes: usize| {
        let empty = "GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: \r\n\r\n";
        empty.replace("x: ", &format!("x: {}", "y".repeat(bytes - empty.len())))
    };
    const MAX: usize = limits::HEAD_BYTES_MAX;
    assert!(bench.response(&head(MAX)).await.ends_with("now"));
    for bytes in [MAX + 1, 40 << 10, 60 << 10, 100 << 10] {
        let response = bench.response(&head(bytes)).await;
        assert!(response.starts_with("HTTP/1.1 431 "), "{bytes}: {response}");
        assert!(response.contains("at most 32 KiB in total"), "{bytes}: {response}");
    }
}

#[tokio::test]
async fn error_after_a_pipelined_response_has_a_json_body() {
    let bench = bench(LENIENT).await;
    let response = bench.response(&format!("{NOW}GET /now HTTP/1.1\r\nbad header\r\n\r\n")).await;
    let (first, second) = response.split_once("now").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(second.starts_with("HTTP/1.1 400 ") && second.ends_with("\"}"), "{response}");
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    let bench = bench(LENIENT).await;
    assert!(bench.response("GET /now HTTP/1.0\r\n\r\n").await.ends_with("now"));
}

#[tokio::test]
async fn response_to_an_unread_body_reaches_the_caller() {
    let bench = bench(LENIENT).await;
    let head = "POST /ignored HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n";
    let mut stream = bench.send(head).await;
    // Far more than the buffers of the sockets. Fails only if the server resets the connection.
    let sent = timeout(LONG, stream.write_all(&vec![b'x'; 4_000_000])).await.unwrap();
    let response = rest(stream).await;
    assert!(sent.is_ok() && response.ends_with("ignored"), "{sent:?}: {response}");
}

#[tokio::test]
async fn response_before_the_body_announces_the_end() {
    let bench = bench(LENIENT).await;
    let head = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    for path in ["/ignored", "/unknown"] {
        let mut stream = bench.send(&head(path)).await;
        let response = one(&mut stream).await;
        assert!(response.contains("\r\nconnection: close\r\n"), "{path}: {response}");
        assert_eq!(rest(stream).await, "", "{path}");
    }
    let mut stream = bench.send(&(head("/read") + "12345")).await;
    for request in ["GET /now HTTP/1.1\r\nHost: a\r\n\r\n", &(head("/read") + "12345"), ""] {
        let response = one(&mut stream).await;
        assert!(!response.contains("connection: close"), "{response}");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn disconnected_caller_is_counted_as_499() {
    let bench = bench(LENIENT).await;
    let stream = bench.send(GATED).await;
    bench.entered().await;
    drop(stream);
    bench.eventually("chassis_admin_requests_total{status=\"499\"} 1").await;
}

#[tokio::test]
async fn panic_of_a_handler_is_counted_as_500() {
    let bench = bench(LENIENT).await;
    assert_eq!(bench.response("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    bench.eventually("chassis_admin_open_connections 0").await;
    assert!(bench.counts("chassis_admin_requests_total{status=\"500\"} 1"), "{}", bench.metrics.render());
    assert!(bench.response(NOW_CLOSING).await.ends_with("now"), "the server serves others");
}
