//! Memory of the edge under more bodies than it may hold, compared with its part of the memory sum. A process of its own, because the
//! peak is that of the process.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::print_stdout, reason = "a test prints its peaks")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::memory::used_bytes;
use chassis::telemetry::Scope;
use chassis::{ManualClock, Shutdown};
use contracts::Topic;
use kafka_io::{OutRecord, RecordMetadata};
use publisher::config::EdgeSection;
use publisher::edge::{
    Acknowledgements, Edge, EdgeCounts, EdgeLimits, EdgeMetrics, EdgeServer, Produce, memory_parts, serve,
};
use publisher::service::serve_limits;
use testkit::stage_bench::{START_MICROS, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Memory of the service at rest. This process has no Kafka clients and less.
const REST_BYTES: u64 = 10 << 20;

/// The allocator keeps unused memory for up to 10 s.
const RETURN_TIMEOUT: Duration = Duration::from_secs(60);

/// Keeps the records until every other request had a chance to run.
struct Brokers;

impl Produce for Brokers {
    fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements {
        Box::pin(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let written = |record: &OutRecord| RecordMetadata { partition: record.partition, offset: 0 };
            records.iter().map(|record| Ok(written(record))).collect()
        })
    }
}

async fn start(section: &EdgeSection) -> SocketAddr {
    let limits = EdgeLimits { body_max_bytes: section.body_max_bytes, items_max: section.items_max };
    let counts = EdgeCounts::new(&Scope::nowhere());
    let clock = Arc::new(ManualClock::at(START_MICROS));
    let wire = wire("publisher", Topic::PublisherDeadLetter);
    let edge = Arc::new(Edge::new(wire, Brokers, limits, counts, clock));
    // All requests come from one address.
    let limits = serve_limits(&EdgeSection { peer_share: 1.0, ..section.clone() });
    let server = EdgeServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let serving = serve(server, edge, limits, EdgeMetrics::new(&Scope::nowhere()), Shutdown::new());
    #[expect(clippy::disallowed_methods, reason = "a test's own task, ended by the runtime of the test")]
    drop(tokio::spawn(serving));
    address
}

/// Returns a request with 10,000 alerts whose messages have this length.
fn alerts(message_bytes: usize) -> Arc<Vec<u8>> {
    let message = "m".repeat(message_bytes);
    let alert = format!(
        r#"{{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"momentum","score":0.5,"message":"{message}","source_scanner":"s"}}"#
    );
    request("application/json", &format!("[{}]", vec![alert; 10_000].join(",")))
}

fn request(content_type: &str, body: &str) -> Arc<Vec<u8>> {
    let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ncontent-type: ";
    Arc::new(format!("{head}{content_type}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// Instead of the status, if the edge closed the connection while the body was still being sent.
const CLOSED: &str = "closed";

async fn post(address: SocketAddr, request: Arc<Vec<u8>>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A rejected request may be closed before it was sent.
    drop(stream.write_all(&request).await);
    let mut status = [0; 12];
    if stream.read_exact(&mut status).await.is_err() {
        return CLOSED.to_owned();
    }
    drop(stream.read_to_end(&mut Vec::new()).await);
    String::from_utf8_lossy(&status[9..]).into_owned()
}

/// Returns the peak of the resident memory of this process, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// Sets the peak to the resident memory of now. Without the permission the peak stays that of all phases so far.
fn reset_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// Posts each request 32 times at once. Returns the number of responses with this status; all others must be rejections of excess ones.
async fn post_at_once(address: SocketAddr, requests: &[Arc<Vec<u8>>], status: &str) -> usize {
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        for request in requests {
            callers.spawn(post(address, Arc::clone(request)));
        }
    }
    let statuses = callers.join_all().await;
    let expected = statuses.iter().filter(|found| *found == status).count();
    let rejected = statuses.iter().filter(|found| [CLOSED, "503"].contains(&found.as_str())).count();
    assert!(expected > 0 && expected + rejected == statuses.len(), "{statuses:?}");
    expected
}

/// One test, because the peak is that of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excess_bodies_stay_within_the_memory_sum() {
    let section = EdgeSection::default();
    let address = start(&section).await;
    let sum: u64 = memory_parts(&section).iter().map(|part| part.bytes).sum();
    let valid = [alerts(20), alerts(600)];
    let invalid_lines = request("application/x-ndjson", &"x\n".repeat(10_000));
    // Bodies of the maximum size with as many items as possible.
    let half = section.body_max_bytes / 2;
    let too_many = [
        request("application/x-ndjson", &"x\n".repeat(half)),
        request("application/json", &"0\n".repeat(half)),
        request("application/json", &format!("[{}0]", "0,".repeat(half - 2))),
    ];
    let requests: usize =
        valid.iter().chain(&too_many).chain([&invalid_lines]).map(|request| request.len()).sum();
    reset_peak();
    let before = peak_bytes();
    let assert_bounded = |what: &str, responses: usize| {
        let used = peak_bytes().saturating_sub(before);
        let (used_mib, sum_mib) = (used >> 20, sum >> 20);
        let line = format!("peak of {what}: {used_mib} of {sum_mib} MiB, {responses} responses in full");
        writeln!(std::io::stderr(), "{line}").ok();
        assert!(used <= sum, "{used_mib} MiB used by {what}, {responses} in full; the sum is {sum_mib} MiB");
        reset_peak();
    };
    assert_bounded("alerts", post_at_once(address, &valid, "200").await);
    assert_bounded("invalid lines", post_at_once(address, std::slice::from_ref(&invalid_lines), "400").await);
    assert_bounded("too many items", post_at_once(address, &too_many, "413").await);
    // The background thread of the allocator returns it, although the process is idle.
    let bound = REST_BYTES / 2 * 3 + u64::try_from(requests).unwrap();
    let deadline = Instant::now() + RETURN_TIMEOUT;
    while used_bytes().unwrap() > bound {
        let (used_mib, bound_mib) = (used_bytes().unwrap() >> 20, bound >> 20);
        assert!(
            Instant::now() < deadline,
            "{used_mib} MiB in use {RETURN_TIMEOUT:?} after a burst, more than {bound_mib}"
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
