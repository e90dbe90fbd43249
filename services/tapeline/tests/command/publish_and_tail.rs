//! The operator's commands against a cluster: that of a running `tapeline dev`, which speaks the same protocols.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::process::{Live, errors, tapeline};
use serde_json::Value;

const FINDINGS: &str = r#"{"event":"scanner.alert.raised","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"mine","metadata":{}}

{"event":"scanner.alert.raised","symbol":"ZZZ","alert_type":"momentum","score":1.5,"message":"m","source_scanner":"mine","metadata":{}}
"#;

#[test]
fn findings_published_straight_to_kafka_are_checked_like_at_the_edge_and_can_be_tailed() {
    let mut live = Live::start(&["--speed", "1"]);
    live.wait_for("edge");
    let broker = live.wait_for("broker").split_whitespace().next().unwrap().to_owned();
    let registry = live.wait_for("registry");
    let cluster = ["--brokers", &broker, "--registry", &registry];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.ndjson");
    std::fs::write(&file, FINDINGS).unwrap();

    let published = tapeline(&["publish"]).arg(&file).args(cluster).output().unwrap();
    let said = String::from_utf8_lossy(&published.stdout);
    assert_eq!(published.status.code(), Some(1), "{said}{}", errors(&published));
    assert!(said.contains("line 3: invalid: score") && said.contains("1 accepted, 1 not"), "{said}");

    let tail = ["tail", "scanner.alert.raised", "--json", "--from-start"];
    let mut tail = tapeline(&tail).args(cluster).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let records = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mine = records.into_iter().find(|record| record["key"] == "ZZZ").unwrap();
    assert_eq!(mine["value"]["alert_type"], "momentum");
    tail.kill().unwrap();
    tail.wait().unwrap();

    let blind = ["tail", "scanner.alert.raised", "--from-start", "--registry", "http://127.0.0.1:1"];
    let blind = tapeline(&blind).args(["--brokers", &broker]).output().unwrap();
    assert_eq!(blind.status.code(), Some(3), "{}", errors(&blind));
    assert!(errors(&blind).contains("http://127.0.0.1:1"), "{}", errors(&blind));

    let registered = tapeline(&["schemas", "register"]).args(cluster).output().unwrap();
    let said = String::from_utf8_lossy(&registered.stdout);
    assert!(registered.status.success(), "{}", errors(&registered));
    assert_eq!(said.lines().count(), 17, "{said}");
    assert!(said.contains("feature.batch.urgent.v1-value"), "{said}");
    assert_eq!(live.interrupt(), 0);
}
