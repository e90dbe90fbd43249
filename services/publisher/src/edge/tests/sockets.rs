//! Connections of the edge that never complete a request, and its bounds.

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

const HEAD: &str = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\n";

/// Sends bytes on a new connection.
async fn send(bench: &EdgeBench, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(bench.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Reads until the edge closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    drop(timeout(LONG, stream.read_to_end(&mut text)).await.unwrap());
    String::from_utf8_lossy(&text).into_owned()
}

async fn eventually(bench: &EdgeBench, line: &str) {
    let counted = async {
        while !bench.metrics.render().lines().any(|found| found == line) {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LONG, counted).await.is_ok(), "{line} is missing in\n{}", bench.metrics.render());
}

/// A request whose body never arrives.
fn half_a_body() -> String {
    format!("{HEAD}content-length: 100\r\n\r\n{{")
}

#[tokio::test]
async fn stalled_body_times_out() {
    let bench = bench(None).await;
    let mut stalled = send(&bench, &half_a_body()).await;
    let mut response = [0; 12];
    stalled.read_exact(&mut response).await.unwrap();
    assert_eq!(&response, b"HTTP/1.1 408");
    eventually(&bench, "publisher_edge_in_flight_requests 0").await;
    bench.assert_counts(&[
        "publisher_edge_requests_total{status=\"408\"} 1",
        "publisher_edge_in_flight_bytes 0",
        "publisher_edge_capacity_requests 2",
        "publisher_edge_capacity_bytes 100000",
        "publisher_edge_capacity_connections 100",
    ]);
}

#[tokio::test]
async fn shutdown_ends_half_open_connections_at_once() {
    let limits = ServeLimits { body_timeout: HOUR, ..LIMITS };
    let mut bench = bench_with(Brokers::default(), limits).await;
    let [unused, head] = [send(&bench, "").await, send(&bench, HEAD).await];
    let body = send(&bench, &half_a_body()).await;
    eventually(&bench, "publisher_edge_open_connections 3").await;
    eventually(&bench, "publisher_edge_in_flight_requests 1").await;
    bench.shutdown.begin(chassis::shutdown::Cause::Requested);
    assert_eq!([rest(unused).await, rest(head).await], ["", ""]);
    let response = rest(body).await;
    assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("shutting down"), "{response}");
    timeout(LONG, &mut bench.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_completes_requests_in_progress() {
    let mut bench = bench_of(Brokers { gate: Some(Semaphore::new(0)), ..Brokers::default() }).await;
    let alert = alert(&[]);
    let end = async {
        while bench.counts.held() < 1 {
            tokio::task::yield_now().await;
        }
        bench.shutdown.begin(chassis::shutdown::Cause::Requested);
        bench.brokers.gate.as_ref().unwrap().add_permits(1);
    };
    let ((status, _), ()) = tokio::join!(bench.post(&alert), end);
    assert_eq!(status, 200);
    timeout(LONG, &mut bench.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn stalled_bodies_of_one_address_leave_slots_for_others() {
    let admission = AdmissionLimits { peer_share: 0.5, ..LIMITS.admission };
    let limits = ServeLimits { admission, body_timeout: HOUR, ..LIMITS };
    let bench = bench_with(Brokers::default(), limits).await;
    let _stalled = send(&bench, &half_a_body()).await;
    eventually(&bench, "publisher_edge_in_flight_requests 1").await;
    let (status, response) = bench.post(&alert(&[])).await;
    let error = response["error"].as_str().unwrap();
    assert!(status == 503 && error.contains("1 requests of this address"), "{error}");

    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(bench.address).await.unwrap();
    let alert = alert(&[]);
    let request = format!("{HEAD}connection: close\r\ncontent-length: {}\r\n\r\n{alert}", alert.len());
    other.write_all(request.as_bytes()).await.unwrap();
    let response = rest(other).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[tokio::test]
async fn bodies_in_memory_are_bounded_in_bytes() {
    let admission = AdmissionLimits { requests_max: 100, bytes_max: 16 << 10, ..LIMITS.admission };
    let limits = ServeLimits { admission, body_timeout: HOUR, ..LIMITS };
    let bench = bench_with(Brokers::default(), limits).await;
    let _stalled = send(&bench, &format!("{HEAD}content-length: 10000\r\n\r\n{{")).await;
    eventually(&bench, "publisher_edge_in_flight_bytes 10240").await;
    let large = alert(&[("padding", "x".repeat(7_000).into())]);
    let (status, response) = bench.post(&large).await;
    let error = response["error"].as_str().unwrap();
    assert!(status == 503 && error.contains("16384 bytes of bodies are in memory"), "{error}");
    assert_eq!(bench.post(&alert(&[])).await.0, 200, "a small one fits");
}

#[tokio::test]
async fn results_count_as_bytes_in_memory() {
    let admission = AdmissionLimits { bytes_max: 1_024, ..LIMITS.admission };
    let bench = bench_with(Brokers::default(), ServeLimits { admission, ..LIMITS }).await;
    let (status, _) = bench.post("[{},{},{}]").await;
    assert_eq!(status, 503, "the results of three findings do not fit next to their body");
    eventually(&bench, "publisher_edge_in_flight_bytes 0").await;
    bench.assert_counts(&["publisher_edge_requests_total{status=\"503\"} 1"]);
}

#[tokio::test]
async fn findings_of_a_disconnected_caller_are_in_doubt() {
    let bench = bench_of(Brokers { gate: Some(Semaphore::new(0)), ..Brokers::default() }).await;
    let alert = alert(&[]);
    let caller = send(&bench, &format!("{HEAD}content-length: {}\r\n\r\n{alert}", alert.len())).await;
    eventually(&bench, "publisher_edge_in_flight_requests 1").await;
    while bench.counts.held() < 1 {
        tokio::task::yield_now().await;
    }
    drop(caller);
    eventually(&bench, "publisher_edge_requests_total{status=\"499\"} 1").await;
    bench.assert_counts(&["publisher_edge_findings_total{outcome=\"unknown\"} 1"]);
    assert_eq!((bench.counts.received(), bench.counts.rejected()), (1, 1));
}
