//! The edge over a real socket, with brokers that do as they are told.

use std::sync::Mutex;
use std::time::Duration;

use chassis::ManualClock;
use testkit::OwnSchemas;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::*;

/// 2024-07-10T20:00:00Z.
const NOW_MICROS: i64 = 1_720_641_600_000_000;

/// Acknowledges everything at rising offsets, or answers with this error.
#[derive(Default)]
struct Brokers {
    batches: Mutex<Vec<Vec<OutRecord>>>,
    error: Option<ProduceError>,
    /// When there is one: nothing is answered before it may be taken.
    gate: Option<Semaphore>,
}

impl Produce for Arc<Brokers> {
    async fn produce(&self, records: Vec<OutRecord>) -> Vec<Result<RecordMetadata, ProduceError>> {
        let answer = |(record, offset): (&OutRecord, i64)| match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(RecordMetadata { partition: record.partition, offset }),
        };
        if let Some(gate) = &self.gate {
            drop(gate.acquire().await.unwrap());
        }
        let answers = records.iter().zip(0..).map(answer).collect();
        self.batches.lock().unwrap().push(records);
        answers
    }
}

const SERVE_LIMITS: ServeLimits = ServeLimits { requests_max: 2, body_timeout: Duration::from_millis(100) };

struct Bench {
    address: std::net::SocketAddr,
    brokers: Arc<Brokers>,
    counts: EdgeCounts,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn bench(error: Option<ProduceError>) -> Bench {
    bench_of(Brokers { error, ..Brokers::default() }).await
}

async fn bench_of(brokers: Brokers) -> Bench {
    let wire =
        Wire::new("publisher", Topic::PublisherDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let brokers = Arc::new(brokers);
    let counts = EdgeCounts::new(&chassis::telemetry::Scope::nowhere());
    let limits = EdgeLimits { body_max_bytes: 10_000, items_max: 3 };
    let clock = Arc::new(ManualClock::at(NOW_MICROS));
    let edge = Arc::new(Edge::new(wire, Arc::clone(&brokers), limits, counts.clone(), clock));
    let server = EdgeServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    #[expect(clippy::disallowed_methods, reason = "a test's own task, ended with the bench")]
    let server = tokio::spawn(serve(server, edge, SERVE_LIMITS, std::future::pending()));
    Bench { address, brokers, counts, server }
}

impl Bench {
    async fn post(&self, body: &str) -> (u16, serde_json::Value) {
        let url = format!("http://{}/v1/findings", self.address);
        let response = reqwest::Client::new().post(url).body(body.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 503 {
            assert!(response.headers().contains_key("retry-after"));
        }
        (status, response.json().await.unwrap())
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

/// The first item's path and cause.
fn fault(answer: &serde_json::Value) -> (&str, &str) {
    let item = &answer["results"][0];
    assert_eq!(item["outcome"], "invalid", "{answer}");
    (item["path"].as_str().unwrap(), item["cause"].as_str().unwrap())
}

#[tokio::test]
async fn one_request_is_one_produce_batch_with_an_outcome_an_item_in_order() {
    let bench = bench(None).await;
    let body = format!("[{},{},{}]", alert(&[]), alert(&[("score", 2.into())]), alert(&[]));
    let (status, answer) = bench.post(&body).await;
    let outcomes: Vec<&str> =
        answer["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!((status, outcomes), (207, vec!["accepted", "invalid", "accepted"]));
    assert_eq!(answer["results"][2]["offset"], 1);
    assert_eq!(answer["results"][0]["topic"], "scanner.alert.raised.v1");
    let batches = bench.brokers.batches.lock().unwrap();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    let counts = &bench.counts;
    assert_eq!((counts.received(), counts.accepted(), counts.rejected(), counts.held()), (3, 2, 1, 0));
}

#[tokio::test]
async fn what_is_left_out_is_filled_in_and_an_unknown_type_is_kept_as_unknown() {
    let bench = bench(None).await;
    let (status, _) = bench.post(&alert(&[("alert_type", "brand_new".into())])).await;
    assert_eq!(status, 200);
    let batches = bench.brokers.batches.lock().unwrap();
    let record = &batches[0][0];
    let alert: contracts::Alert =
        contracts::Codec::new().decode(record.payload.as_slice(), &OwnSchemas).unwrap();
    assert_eq!(alert.alert_type.as_str(), "unknown");
    assert_eq!((alert.occurred_at, alert.source.as_str()), (NOW_MICROS, "edge"));
    assert_eq!(alert.correlation_id.as_deref(), Some(alert.event_id.as_str()));
    let (name, value) = &record.headers[0];
    assert_eq!((name.as_ref(), value.len()), ("traceparent", 55));
}

#[tokio::test]
async fn each_broken_rule_names_its_place_and_cause() {
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
        let (status, answer) = bench.post(&alert(&[(key, value)])).await;
        let found = fault(&answer);
        assert!(status == 400 && found.0 == path && found.1.contains(cause), "{key}: {found:?}");
    }
    let nan = alert(&[]).replace("0.9", "NaN");
    let (status, answer) = bench.post(&nan).await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("column"), "{answer}");
}

#[tokio::test]
async fn empty_and_oversized_batches_and_bodies_are_refused_with_the_bound() {
    let bench = bench(None).await;
    let (status, answer) = bench.post("[]").await;
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("empty"), "{answer}");
    let (status, answer) = bench.post("[1,2,3,4]").await;
    assert!(status == 413 && answer["error"].as_str().unwrap().contains("4 findings"), "{answer}");
    let (status, answer) = bench.post(&" ".repeat(10_001)).await;
    assert!(status == 413 && answer["error"].as_str().unwrap().contains("10000 bytes"), "{answer}");
    assert_eq!(bench.counts.received(), 0);
}

#[tokio::test]
async fn an_encoded_body_is_refused_with_its_encoding() {
    let bench = bench(None).await;
    let url = format!("http://{}/v1/findings", bench.address);
    let post = reqwest::Client::new().post(url).header("content-encoding", "gzip").body(vec![31_u8, 139]);
    let response = post.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 415);
    assert!(response.text().await.unwrap().contains("gzip"));
}

#[tokio::test]
async fn brokers_that_do_not_answer_are_told_as_retryable() {
    let cases = [
        (ProduceError::Full { in_flight_bytes: 9, bytes_max: 8 }, "refused"),
        (ProduceError::Failed { cause: "no leader".into() }, "failed"),
        (ProduceError::Unknown { waited_ms: 7 }, "unknown"),
    ];
    for (error, outcome) in cases {
        let bench = bench(Some(error)).await;
        let (status, answer) = bench.post(&alert(&[])).await;
        assert_eq!((status, answer["results"][0]["outcome"].as_str()), (503, Some(outcome)));
        assert_eq!((bench.counts.rejected(), bench.counts.held()), (1, 0));
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let bench = bench(None).await;
    let fault = EdgeServer::bind(bench.address).await.unwrap_err().to_string();
    assert!(fault.contains(&bench.address.to_string()), "{fault}");
}

#[tokio::test]
async fn beyond_the_requests_that_may_be_in_callers_are_told_to_come_again() {
    let bench = bench_of(Brokers { gate: Some(Semaphore::new(0)), ..Brokers::default() }).await;
    let alert = alert(&[]);
    let open = async {
        while bench.counts.held() < 2 {
            tokio::task::yield_now().await;
        }
        let turned_away = bench.post(&alert).await;
        bench.brokers.gate.as_ref().unwrap().add_permits(1);
        turned_away
    };
    let (first, second, (status, answer)) = tokio::join!(bench.post(&alert), bench.post(&alert), open);
    assert!(status == 503 && answer["error"].as_str().unwrap().starts_with("2 requests"), "{answer}");
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(bench.post(&alert).await.0, 200, "their places are free again");
    assert_eq!(bench.counts.received(), 3, "who is turned away was never taken in");
}

#[tokio::test]
async fn a_body_that_does_not_come_gives_its_place_back() {
    let bench = bench(None).await;
    let mut stalled = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    let head = "POST /v1/findings HTTP/1.1\r\nhost: edge\r\ncontent-length: 100\r\n\r\n{";
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stalled.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_trace_that_is_none_is_not_passed_on() {
    let bench = bench(None).await;
    let url = format!("http://{}/v1/findings", bench.address);
    let request = reqwest::Client::new().post(url).header("traceparent", "0".repeat(4_000)).body(alert(&[]));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let batches = bench.brokers.batches.lock().unwrap();
    assert_eq!(batches[0][0].headers[0].1.len(), 55, "a trace of its own");
}

#[tokio::test]
async fn texts_beyond_their_bounds_are_refused_with_length_and_bound() {
    let bench = bench(None).await;
    let (status, answer) = bench.post(&alert(&[("correlation_id", "c".repeat(6_000).into())])).await;
    let (path, cause) = fault(&answer);
    assert_eq!((status, path), (400, "correlation_id"));
    assert!(cause.contains("6000 bytes, at most 256 are allowed"), "{cause}");
}
