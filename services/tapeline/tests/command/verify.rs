//! `tapeline verify` and `lag` against a cluster: a run in order, and the same run after somebody wrote a vector again.

use std::path::Path;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, OwnedRecord, ProducerLimits, TopicReader};
use serde_json::Value;

use crate::process::{Live, errors, tapeline};

/// Three alerts, of which the second covers the third; a symbol that qualifies, and a gap.
const FINDINGS: &str = r#"{"event":"scanner.alert.raised","occurred_at":"2024-01-02T21:00:00Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"mine","metadata":{}}
{"event":"scanner.alert.raised","occurred_at":"2024-01-03T21:00:00Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"mine","metadata":{}}
{"event":"scanner.alert.raised","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"mine","metadata":{}}
{"event":"scanner.symbol.proposed","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","from_layer":null,"to_layer":2,"reason":"r","metrics":{}}
{"event":"market.gap.detected","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","data_type":"market_data","gap_start":"2024-01-01T00:00:00Z","gap_end":"2024-01-02T00:00:00Z","priority":5}
"#;

/// How long the run may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

struct Cluster {
    live: Live,
    brokers: String,
    registry: String,
}

impl Cluster {
    /// `tapeline dev` with these findings, posted already.
    fn start(folder: &Path) -> Self {
        let file = folder.join("findings.ndjson");
        std::fs::write(&file, FINDINGS).unwrap();
        let mut live = Live::start(&["--findings", file.to_str().unwrap()]);
        let brokers = live.wait_for("broker").split_whitespace().next().unwrap().to_owned();
        let registry = live.wait_for("registry");
        live.wait_for("the market has come to its end");
        Self { live, brokers, registry }
    }

    fn ask(&self, command: &[&str]) -> (Option<i32>, Value) {
        let cluster = ["--brokers", &self.brokers, "--registry", &self.registry];
        let output = tapeline(command).args(cluster).arg("--json").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{}", errors(&output)));
        (output.status.code(), value)
    }

    /// Verifies until the run is at rest.
    fn verify(&self) -> (Option<i32>, Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, report) = self.ask(&["verify"]);
            let has_ended =
                report["stages"]["executor"]["found"] == 2 && report["stages"]["feature"]["found"] != 0;
            if report["at_rest"] == true && has_ended || Instant::now() > deadline {
                return (code, report);
            }
        }
    }

    /// Writes the first record of a topic again.
    fn write_again(&self, topic: Topic) {
        let kafka = KafkaConfig::embedded(&self.brokers);
        let first: OwnedRecord = TopicReader::read_all(&kafka, &[topic], PATIENCE).unwrap().remove(0);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let producer = BatchProducer::new(&kafka, ProducerLimits::default()).unwrap();
            let again = OutRecord::new(topic, first.partition, first.key.unwrap(), first.payload.unwrap());
            producer.produce(vec![again]).await.remove(0).unwrap();
        });
    }
}

#[test]
fn a_run_in_order_verifies_until_a_vector_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path());
    let (code, report) = cluster.verify();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["stages"]["bridge"]["covered"], 1, "{report:#}");
    assert_eq!(report["stages"]["planner"]["found"], 2, "{report:#}");

    let (code, lag) = cluster.ask(&["lag"]);
    assert_eq!((code, &lag["records"], &lag["seconds"]), (Some(0), &0.into(), &0.into()), "{lag:#}");

    cluster.write_again(Topic::VectorComputed);
    let (code, report) = cluster.verify();
    assert_eq!(code, Some(1), "{report:#}");
    let feature = &report["stages"]["feature"];
    assert_eq!((&feature["lost"], &feature["doubled"]), (&0.into(), &1.into()), "{report:#}");
    assert_eq!(report["doubled"], 1, "{report:#}");
    assert_eq!(cluster.live.interrupt(), 1, "the run's own count at its end sees it, too");
}

#[test]
fn a_cluster_that_is_away_ends_with_3_and_its_address() {
    for command in ["verify", "lag"] {
        let output = tapeline(&[command, "--brokers", "127.0.0.1:1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: {}", errors(&output));
        assert!(errors(&output).contains("127.0.0.1:1"), "{command}: {}", errors(&output));
    }
    let check = ["schemas", "check", "--registry", "http://127.0.0.1:1"];
    let output = tapeline(&check).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
}
