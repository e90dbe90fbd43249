//! Delay that large bodies cause to other connections of the edge: `cargo run --release -p publisher --example poll_delay`.
//!
//! One caller, then 64, post 10,000 findings per request, for 10 s each. The edge has an async runtime of one thread, and brokers that
//! acknowledge at once. The program prints the thread's maximum CPU time between two polls of a task that is always ready, in which each
//! other task is polled at most once, and the latency of requests that need no body, idle and under this load.
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
    let max = Arc::new(AtomicU64::new(0));
    let probe = measure_polls(Arc::clone(&max));
    std::thread::spawn(move || server.block_on(probe));

    let callers = Runtime::new().expect("a runtime");
    let bodies =
        Bodies { address, json: body().into(), client: reqwest::Client::new(), posted: Arc::default() };
    let (probed, mut running) = (runtime(), 0);
    // The first phase is not reported: it warms up.
    for (phase, wanted) in [(None, 0), (Some("idle"), 0), (Some("1 body"), 1), (Some("64 bodies"), CALLERS)] {
        for _ in running..wanted {
            callers.spawn(bodies.clone().post());
        }
        running = wanted;
        let before = bodies.posted.load(Ordering::Relaxed);
        max.store(0, Ordering::Relaxed);
        let latencies = probed.block_on(latencies(address));
        let posted = bodies.posted.load(Ordering::Relaxed) - before;
        if let Some(phase) = phase {
            report(phase, posted, latencies, &max);
        }
    }
}

/// A caller that posts one request after another.
#[derive(Clone)]
struct Bodies {
    address: SocketAddr,
    json: Arc<str>,
    client: reqwest::Client,
    posted: Arc<AtomicU64>,
}

impl Bodies {
    async fn post(self) {
        loop {
            let request = self.client.post(format!("http://{}/v1/findings", self.address));
            let response = request.body(self.json.to_string()).send().await.expect("the edge responds");
            assert_eq!(response.status(), 200);
            response.bytes().await.expect("a whole response");
            self.posted.fetch_add(1, Ordering::Relaxed);
        }
    }
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
async fn measure_polls(max: Arc<AtomicU64>) {
    let mut before = thread_nanos();
    loop {
        tokio::task::yield_now().await;
        let now = thread_nanos();
        max.fetch_max(now - before, Ordering::Relaxed);
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

fn report(phase: &str, posted: u64, latencies: Vec<Duration>, max: &AtomicU64) {
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100];
    let max = Duration::from_nanos(max.swap(0, Ordering::Relaxed));
    let (p50, p99) = (at(50), at(99));
    println!(
        "{phase:<10} {posted:>4} bodies, maximum CPU time between two polls {max:?}; 404 p50 {p50:?}, p99 {p99:?}"
    );
}
