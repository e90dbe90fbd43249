//! Delay that large bodies cause to other connections of the edge: `cargo run --release -p publisher --example poll_delay`.
//!
//! 64 callers each post 10,000 findings per request, for 10 s. The edge has an async runtime of one thread, and brokers that acknowledge at
//! once. It prints the thread's maximum CPU time between two polls of a task that is always ready, which is at least the maximum of a poll
//! of any other task, and the latency of requests that need no body, idle and under this load.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "the program prints its result, and ends at an error"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::telemetry::Scope;
use chassis::{Shutdown, SystemClock};
use contracts::Topic;
use kafka_io::{OutRecord, RecordMetadata};
use publisher::config::EdgeSection;
use publisher::edge::{
    Acknowledgements, Edge, EdgeCounts, EdgeLimits, EdgeMetrics, EdgeServer, Produce, serve,
};
use publisher::service::serve_limits;
use rustix::time::{ClockId, clock_gettime};
use testkit::stage_bench::wire;
use tokio::runtime::{Builder, Runtime};

const CALLERS: usize = 64;
const FINDINGS: usize = 10_000;
const DURATION: Duration = Duration::from_secs(10);

struct Brokers;

impl Produce for Brokers {
    fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements {
        let written = |record: &OutRecord| Ok(RecordMetadata { partition: record.partition, offset: 0 });
        let results = records.iter().map(written).collect();
        Box::pin(std::future::ready(results))
    }
}

fn main() {
    let section = EdgeSection { bodies_max_bytes: 1 << 30, peer_share: 1.0, ..EdgeSection::default() };
    let server = runtime();
    let address = server.block_on(start(&section, &server));
    let (max, polls) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let probe = measure_polls(Arc::clone(&max), Arc::clone(&polls));
    std::thread::spawn(move || server.block_on(probe));

    let callers = runtime();
    let idle = callers.block_on(latencies(address));
    report("idle", idle, &max, &polls);
    let body: Arc<str> = body().into();
    let client = reqwest::Client::new();
    for _ in 0..CALLERS {
        let (client, body) = (client.clone(), Arc::clone(&body));
        callers.spawn(async move {
            loop {
                let request = client.post(format!("http://{address}/v1/findings")).body(body.to_string());
                let response = request.send().await.expect("the edge responds");
                assert_eq!(response.status(), 200);
                response.bytes().await.expect("a whole response");
            }
        });
    }
    let loaded = runtime().block_on(latencies(address));
    report("64 bodies", loaded, &max, &polls);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn start(section: &EdgeSection, runtime: &Runtime) -> SocketAddr {
    let limits = EdgeLimits { body_max_bytes: section.body_max_bytes, items_max: section.items_max };
    let counts = EdgeCounts::new(&Scope::nowhere());
    let wire = wire("publisher", Topic::PublisherDeadLetter);
    let edge = Arc::new(Edge::new(wire, Brokers, limits, counts, Arc::new(SystemClock::new())));
    let server = EdgeServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
    let address = server.address();
    let metrics = EdgeMetrics::new(&Scope::nowhere());
    runtime.spawn(serve(server, edge, serve_limits(section), metrics, Shutdown::new()));
    address
}

/// Returns an array of findings with short texts.
fn body() -> String {
    let alert = r#"{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"s"}"#;
    format!("[{}]", vec![alert; FINDINGS].join(","))
}

/// Is polled after all other tasks that are ready.
async fn measure_polls(max: Arc<AtomicU64>, polls: Arc<AtomicU64>) {
    let mut before = thread_nanos();
    loop {
        tokio::task::yield_now().await;
        let now = thread_nanos();
        max.fetch_max(now - before, Ordering::Relaxed);
        polls.fetch_add(1, Ordering::Relaxed);
        before = now;
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("a time after the start")
}

/// Returns the latencies of requests for a path that does not exist, one after another.
async fn latencies(address: SocketAddr) -> Vec<Duration> {
    let client = reqwest::Client::new();
    let (mut latencies, start) = (Vec::new(), Instant::now());
    while start.elapsed() < DURATION {
        let sent = Instant::now();
        client.get(format!("http://{address}/idle")).send().await.expect("the edge responds");
        latencies.push(sent.elapsed());
    }
    latencies.sort_unstable();
    latencies
}

fn report(load: &str, latencies: Vec<Duration>, max: &AtomicU64, polls: &AtomicU64) {
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100];
    let max = Duration::from_nanos(max.swap(0, Ordering::Relaxed));
    let polls = polls.swap(0, Ordering::Relaxed);
    println!(
        "{load:<10} maximum CPU time between two of {polls} polls {max:?}; 404 p50 {:?}, p99 {:?}",
        at(50),
        at(99)
    );
}
