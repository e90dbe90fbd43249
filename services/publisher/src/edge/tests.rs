//! The edge over a real socket, with brokers that do as they are told.

use std::sync::Mutex;

use chassis::ManualClock;
use testkit::OwnSchemas;

use super::*;

/// 2024-07-10T20:00:00Z.
const NOW_MICROS: i64 = 1_720_641_600_000_000;

/// Acknowledges everything at rising offsets, or answers with this error.
#[derive(Default)]
struct Brokers {
    batches: Mutex<Vec<Vec<OutRecord>>>,
    error: Option<ProduceError>,
}

impl Produce for Arc<Brokers> {
    async fn produce(&self, records: Vec<OutRecord>) -> Vec<Result<Placed, ProduceError>> {
        let answer = |(record, offset): (&OutRecord, i64)| match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(Placed { partition: record.partition, offset }),
        };
        let answers = records.iter().zip(0..).map(answer).collect();
        self.batches.lock().unwrap().push(records);
        answers
    }
}

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
    let wire =
        Wire::new("publisher", Topic::PublisherDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let brokers = Arc::new(Brokers { error, ..Brokers::default() });
    let counts = EdgeCounts::default();
    let limits = EdgeLimits { body_max_bytes: 10_000, items_max: 3 };
    let clock = Arc::new(ManualClock::at(NOW_MICROS));
    let edge = Arc::new(Edge::new(wire, Arc::clone(&brokers), limits, counts.clone(), clock));
    let server = EdgeServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    #[expect(clippy::disallowed_methods, reason = "a test's own task, ended with the bench")]
    let server = tokio::spawn(serve(server, edge, std::future::pending()));
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
async fn brokers_that_do_not_answer_are_told_as_retryable() {
    let cases = [
        (ProduceError::Full { in_flight_bytes: 9, max_bytes: 8 }, "refused"),
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
