//! `tapeline verify` and `lag` against a cluster: a correct run, and the same run with a doubled vector.

use std::path::Path;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, OwnedRecord, ProducerLimits, TopicReader};
use serde_json::Value;

use crate::process::{RunningDev, stderr, tapeline};

/// Three alerts, of which the second covers the third; a symbol that qualifies, and a gap.
const FINDINGS: &str = r#"{"event":"scanner.alert.raised","occurred_at":"2024-01-02T21:00:00Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"custom","metadata":{}}
{"event":"scanner.alert.raised","occurred_at":"2024-01-03T21:00:00Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"custom","metadata":{}}
{"event":"scanner.alert.raised","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"custom","metadata":{}}
{"event":"scanner.symbol.proposed","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","from_layer":null,"to_layer":2,"reason":"r","metrics":{}}
{"event":"market.gap.detected","occurred_at":"2024-01-03T21:00:10Z","symbol":"ZZZ","data_type":"market_data","gap_start":"2024-01-01T00:00:00Z","gap_end":"2024-01-02T00:00:00Z","priority":5}
"#;

/// Time limit until the run is at rest.
const REST_TIMEOUT: Duration = Duration::from_secs(60);

struct Cluster {
    dev: RunningDev,
    brokers: String,
    registry: String,
}

impl Cluster {
    /// Starts `tapeline dev` and waits until the findings are posted.
    fn start(folder: &Path) -> Self {
        let file = folder.join("findings.ndjson");
        std::fs::write(&file, FINDINGS).unwrap();
        let mut dev = RunningDev::start(&["--findings", file.to_str().unwrap()]);
        let brokers = dev.wait_for("broker").split_whitespace().next().unwrap().to_owned();
        let registry = dev.wait_for("registry");
        dev.wait_for("the market has ended");
        Self { dev, brokers, registry }
    }

    fn run(&self, command: &[&str]) -> (Option<i32>, Value) {
        let cluster = ["--brokers", &self.brokers, "--registry", &self.registry];
        let output = tapeline(command).args(cluster).arg("--json").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{}", stderr(&output)));
        (output.status.code(), value)
    }

    /// Runs `verify` until the run is at rest.
    fn verify(&self) -> (Option<i32>, Value) {
        let deadline = Instant::now() + REST_TIMEOUT;
        loop {
            let (code, report) = self.run(&["verify"]);
            let has_ended =
                report["stages"]["executor"]["found"] == 2 && report["stages"]["feature"]["found"] != 0;
            if report["at_rest"] == true && has_ended || Instant::now() > deadline {
                return (code, report);
            }
        }
    }

    /// Writes the first record of a topic a second time.
    fn duplicate_first(&self, topic: Topic) {
        let kafka = KafkaConfig::embedded(&self.brokers);
        let first: OwnedRecord = TopicReader::read_all(&kafka, &[topic], REST_TIMEOUT).unwrap().remove(0);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let producer = BatchProducer::new(&kafka, ProducerLimits::default()).unwrap();
            let copy = OutRecord::new(topic, first.partition, first.key.unwrap(), first.payload.unwrap());
            producer.produce(vec![copy]).await.remove(0).unwrap();
        });
    }
}

#[test]
fn correct_run_verifies_until_a_vector_is_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path());
    let (code, report) = cluster.verify();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["stages"]["bridge"]["covered"], 1, "{report:#}");
    assert_eq!(report["stages"]["planner"]["found"], 2, "{report:#}");

    let (code, lag) = cluster.run(&["lag"]);
    assert_eq!((code, &lag["records"], &lag["seconds"]), (Some(0), &0.into(), &0.into()), "{lag:#}");

    cluster.duplicate_first(Topic::VectorComputed);
    let (code, report) = cluster.verify();
    assert_eq!(code, Some(1), "{report:#}");
    let feature = &report["stages"]["feature"];
    assert_eq!((&feature["lost"], &feature["doubled"]), (&0.into(), &1.into()), "{report:#}");
    assert_eq!(report["doubled"], 1, "{report:#}");
    assert_eq!(cluster.dev.interrupt(), 1, "the audit at the end finds it too");
}

#[test]
fn unreachable_cluster_exits_with_3_and_names_its_address() {
    for command in ["verify", "lag"] {
        let output = tapeline(&[command, "--brokers", "127.0.0.1:1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("127.0.0.1:1"), "{command}: {}", stderr(&output));
    }
    let check = ["schemas", "check", "--registry", "http://127.0.0.1:1"];
    let output = tapeline(&check).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}
