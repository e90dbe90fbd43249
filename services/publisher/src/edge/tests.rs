//! The edge over a real socket, with a scripted producer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::serve::ConnectionLimits;
use chassis::telemetry::{Catalogue, Metrics};
use chassis::{ManualClock, Shutdown};
use contracts::Topic;
use kafka_io::{OutRecord, ProduceError, RecordMetadata};
use testkit::OwnSchemas;
use testkit::stage_bench::{START_MICROS, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::*;
use crate::metric_names::METRICS;

mod inputs;
mod one_pass;
mod requests;
mod sockets;

/// Acknowledges all records at increasing offsets, or returns this error.
#[derive(Default)]
struct Brokers {
    batches: Mutex<Vec<Vec<OutRecord>>>,
    /// The thread of each call.
    threads: Mutex<Vec<std::thread::ThreadId>>,
    error: Option<ProduceError>,
    /// If set, nothing is acknowledged until a permit is available.
    gate: Option<Semaphore>,
    /// The circuit breaker is open.
    is_rejecting: bool,
}

impl Produce for Arc<Brokers> {
    fn is_rejecting(&self) -> bool {
        self.is_rejecting
    }

    fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements {
        self.threads.lock().unwrap().push(std::thread::current().id());
        let brokers = Self::clone(self);
        Box::pin(async move {
            let result_of = |(record, offset): (&OutRecord, i64)| match &brokers.error {
                Some(error) => Err(error.clone()),
                None => Ok(RecordMetadata { partition: record.partition, offset }),
            };
            if let Some(gate) = &brokers.gate {
                drop(gate.acquire().await.unwrap());
            }
            let results = records.iter().zip(0..).map(result_of).collect();
            brokers.batches.lock().unwrap().push(records);
            results
        })
    }
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

/// Longer than a test waits.
const HOUR: Duration = Duration::from_secs(3_600);

const LIMITS: ServeLimits = ServeLimits {
    connections: ConnectionLimits { connections_max: 100, head_timeout: HOUR, idle_timeout: HOUR },
    admission: AdmissionLimits {
        requests_max: 2,
        bytes_max: 100_000,
        peer_share: 1.0,
        request_bytes_max: 20_000,
        wait: Duration::from_millis(1),
    },
    body_timeout: Duration::from_millis(100),
};

struct EdgeBench {
    address: std::net::SocketAddr,
    brokers: Arc<Brokers>,
    counts: EdgeCounts,
    metrics: Metrics,
    shutdown: Shutdown,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for EdgeBench {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn bench(error: Option<ProduceError>) -> EdgeBench {
    bench_of(Brokers { error, ..Brokers::default() }).await
}

async fn bench_of(brokers: Brokers) -> EdgeBench {
    bench_with(brokers, LIMITS).await
}

async fn bench_with(brokers: Brokers, serve_limits: ServeLimits) -> EdgeBench {
    let wire = wire("publisher", Topic::PublisherDeadLetter);
    let brokers = Arc::new(brokers);
    let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
    let scope = metrics.process_scope();
    let counts = EdgeCounts::new(&scope);
    let limits = EdgeLimits { body_max_bytes: 10_000, items_max: 3 };
    let clock = Arc::new(ManualClock::at(START_MICROS));
    let edge = Arc::new(Edge::new(wire, Arc::clone(&brokers), limits, counts.clone(), clock));
    let server = EdgeServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, shutdown) = (server.address(), Shutdown::new());
    let serving = serve(server, edge, serve_limits, EdgeMetrics::new(&scope), shutdown.clone());
    #[expect(clippy::disallowed_methods, reason = "a test's own task, aborted with the bench")]
    let server = tokio::spawn(serving);
    EdgeBench { address, brokers, counts, metrics, shutdown, server }
}

impl EdgeBench {
    async fn post(&self, body: &str) -> (u16, serde_json::Value) {
        let url = format!("http://{}/v1/findings", self.address);
        let response = reqwest::Client::new().post(url).body(body.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 503 {
            assert!(response.headers().contains_key("retry-after"));
        }
        (status, response.json().await.unwrap())
    }

    /// Asserts that the scrape has these lines.
    fn assert_counts(&self, lines: &[&str]) {
        let scrape = self.metrics.render();
        for line in lines {
            assert!(scrape.lines().any(|found| found == *line), "{line} is missing in\n{scrape}");
        }
    }
}

fn alert(changes: &[(&str, serde_json::Value)]) -> String {
    let mut alert = serde_json::json!({
        "event": "scanner.alert.raised", "symbol": "AAPL", "alert_type": "volume_spike", "score": 0.9,
        "message": "3x", "source_scanner": "test", "metadata": {},
    });
    for (key, value) in changes {
        alert[key] = value.clone();
    }
    alert.to_string()
}

/// Returns the first item's path and cause.
fn violation(response: &serde_json::Value) -> (&str, &str) {
    let item = &response["results"][0];
    assert_eq!(item["outcome"], "invalid", "{response}");
    (item["path"].as_str().unwrap(), item["cause"].as_str().unwrap())
}

#[tokio::test]
async fn request_is_one_batch_with_an_outcome_per_finding_in_order() {
    let bench = bench(None).await;
    let body = format!("[{},{},{}]", alert(&[]), alert(&[("score", 2.into())]), alert(&[]));
    let (status, response) = bench.post(&body).await;
    let outcomes: Vec<&str> =
        response["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!((status, outcomes), (207, vec!["accepted", "invalid", "accepted"]));
    assert_eq!(response["results"][2]["offset"], 1);
    assert_eq!(response["results"][0]["topic"], "scanner.alert.raised.v1");
    let batches = bench.brokers.batches.lock().unwrap();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    let counts = &bench.counts;
    assert_eq!((counts.received(), counts.accepted(), counts.rejected(), counts.held()), (3, 2, 1, 0));
}

#[tokio::test]
async fn large_body_is_handled_on_other_threads_than_the_runtime() {
    let bench = bench(None).await;
    let small = alert(&[]);
    let large = alert(&[("message", "m".repeat(4_096).into())]);
    for body in [&small, &large] {
        assert_eq!(bench.post(body).await.0, 200);
    }
    let own = std::thread::current().id();
    let on_runtime: Vec<bool> = bench.brokers.threads.lock().unwrap().iter().map(|it| *it == own).collect();
    assert_eq!(on_runtime, [true, false]);
}

#[tokio::test]
async fn omitted_fields_get_defaults_and_unknown_type_is_kept() {
    let bench = bench(None).await;
    let (status, _) = bench.post(&alert(&[("alert_type", "brand_new".into())])).await;
    assert_eq!(status, 200);
    let batches = bench.brokers.batches.lock().unwrap();
    let record = &batches[0][0];
    let alert: contracts::Alert =
        contracts::Codec::new().decode(record.payload.as_slice(), &OwnSchemas).unwrap();
    assert_eq!(alert.alert_type.as_str(), "unknown");
    assert_eq!((alert.occurred_at, alert.source.as_str()), (START_MICROS, "edge"));
    assert_eq!(alert.correlation_id.as_deref(), Some(alert.event_id.as_str()));
    let (name, value) = &record.headers[0];
    assert_eq!((name.as_ref(), value.len()), ("traceparent", 55));
}

#[tokio::test]
async fn invalid_field_is_reported_with_path_and_cause() {
    let bench = bench(None).await;
    let cases = [
        ("score", serde_json::json!(1.7), "score", "1.7"),
        ("symbol", serde_json::json!("AAPL\n"), "symbol", "AAPL"),
        ("symbol", serde_json::json!("toolong"), "symbol", "toolong"),
        ("flavour", serde_json::json!(1), "flavour", "unknown"),
        ("metadata", serde_json::json!({"a": 1}), "metadata.a", "string"),
        ("occurred_at", serde_json::json!("2024-07-10T20:06:00Z"), "occurred_at", "ahead of the clock"),
        ("event", serde_json::json!("scanner.alert.lowered"), "event", "scanner.alert.lowered"),
    ];
    for (key, value, path, cause) in cases {
        let (status, response) = bench.post(&alert(&[(key, value)])).await;
        let found = violation(&response);
        assert!(status == 400 && found.0 == path && found.1.contains(cause), "{key}: {found:?}");
    }
    let nan = alert(&[]).replace("0.9", "NaN");
    let (status, response) = bench.post(&nan).await;
    assert!(status == 400 && response["error"].as_str().unwrap().contains("column"), "{response}");
}

#[tokio::test]
async fn empty_or_oversized_request_is_rejected_with_its_limit() {
    let bench = bench(None).await;
    let (status, response) = bench.post("[]").await;
    assert!(status == 400 && response["error"].as_str().unwrap().contains("empty"), "{response}");
    let (status, response) = bench.post("[1,2,3,4]").await;
    assert!(status == 413 && response["error"].as_str().unwrap().contains("4 findings"), "{response}");
    let (status, response) = bench.post(&" ".repeat(10_001)).await;
    assert!(status == 413 && response["error"].as_str().unwrap().contains("10000 bytes"), "{response}");
    assert_eq!((bench.counts.received(), bench.counts.rejected()), (4, 4), "of the one with a known number");
    bench.assert_counts(&[
        "publisher_edge_requests_total{status=\"400\"} 1",
        "publisher_edge_requests_total{status=\"413\"} 2",
        "publisher_edge_findings_total{outcome=\"invalid\"} 4",
    ]);
}

#[tokio::test]
async fn unavailable_brokers_are_reported_as_retryable() {
    let cases = [
        (ProduceError::Full { in_flight_bytes: 9, bytes_max: 8 }, "refused"),
        (ProduceError::QueueFull { cause: "Local: Queue full".into() }, "refused"),
        (ProduceError::BreakerOpen, "refused"),
        (ProduceError::Failed { cause: "no leader".into() }, "failed"),
        (ProduceError::Unknown { waited_ms: 7 }, "unknown"),
    ];
    for (error, outcome) in cases {
        let bench = bench(Some(error)).await;
        let (status, response) = bench.post(&alert(&[])).await;
        assert_eq!((status, response["results"][0]["outcome"].as_str()), (503, Some(outcome)));
        assert_eq!((bench.counts.rejected(), bench.counts.held()), (1, 0));
    }
}

#[tokio::test]
async fn port_in_use_fails_the_bind_with_its_address() {
    let bench = bench(None).await;
    let error = EdgeServer::bind(bench.address).await.unwrap_err();
    assert_eq!(error.to_string(), format!("edge failed to listen on {}", bench.address));
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn excess_request_is_rejected_until_another_completes() {
    let bench = bench_of(Brokers { gate: Some(Semaphore::new(0)), ..Brokers::default() }).await;
    let alert = alert(&[]);
    let open = async {
        while bench.counts.held() < 2 {
            tokio::task::yield_now().await;
        }
        let excess = bench.post(&alert).await;
        bench.brokers.gate.as_ref().unwrap().add_permits(1);
        excess
    };
    let (first, second, (status, response)) = tokio::join!(bench.post(&alert), bench.post(&alert), open);
    assert!(
        status == 503 && response["error"].as_str().unwrap().contains("2 requests are in progress"),
        "{response}"
    );
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(bench.post(&alert).await.0, 200, "the permits are free again");
    assert_eq!(bench.counts.received(), 3, "the number of findings in the rejected request is unknown");
    bench.assert_counts(&[
        "publisher_edge_requests_total{status=\"200\"} 3",
        "publisher_edge_requests_total{status=\"503\"} 1",
        "publisher_edge_request_duration_seconds_count 4",
    ]);
}

#[tokio::test]
async fn oversized_text_is_rejected_with_length_and_limit() {
    let bench = bench(None).await;
    let (status, response) = bench.post(&alert(&[("correlation_id", "c".repeat(6_000).into())])).await;
    let (path, cause) = violation(&response);
    assert_eq!((status, path), (400, "correlation_id"));
    assert!(cause.contains("6000 bytes, at most 256 are allowed"), "{cause}");
}

/// Returns the blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[tokio::test]
async fn examples_of_the_findings_page_are_accepted() {
    let bench = bench(None).await;
    let examples = blocks(include_str!("../../../../docs/findings.md"), "json");
    assert_eq!(examples.len(), 4);
    for example in examples {
        let (status, response) = bench.post(example).await;
        assert_eq!(
            (status, response["results"][0]["outcome"].as_str()),
            (200, Some("accepted")),
            "{response}"
        );
    }
    let batches = bench.brokers.batches.lock().unwrap();
    let topics: Vec<Topic> = batches.iter().flatten().map(|record| record.topic).collect();
    assert_eq!(topics, [Topic::AlertRaised, Topic::AlertRaised, Topic::GapDetected, Topic::SymbolProposed]);
}
