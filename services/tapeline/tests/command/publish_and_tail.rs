//! `publish`, `tail` and `schemas` against the broker and registry of a running `tapeline dev`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::process::{RunningDev, stderr, tapeline, terminate};
use serde_json::Value;

const FINDINGS: &str = r#"{"event":"scanner.alert.raised","symbol":"ZZZ","alert_type":"momentum","score":0.5,"message":"m\u009b2J","source_scanner":"custom","metadata":{}}

{"event":"scanner.alert.raised","symbol":"ZZZ","alert_type":"momentum","score":1.5,"message":"m","source_scanner":"custom","metadata":{}}
{"event":"scanner.alert.raised","symbol":"ZZZ","alert_type":"momentun","score":0.5,"message":"m","source_scanner":"custom","metadata":{}}
"#;

#[test]
fn findings_published_to_kafka_are_validated_and_tailed() {
    let mut dev = RunningDev::start(&["--speed", "1"]);
    let edge = dev.wait_for("edge");
    let edge = edge.trim_start_matches("http://").trim_end_matches("/v1/findings");
    let broker = dev.wait_for("broker").split_whitespace().next().unwrap().to_owned();
    let registry = dev.wait_for("registry");
    let cluster = ["--brokers", &broker, "--registry", &registry];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.ndjson");
    std::fs::write(&file, FINDINGS).unwrap();

    for destination in [&cluster[..], &["--edge", edge]] {
        let published = tapeline(&["publish"]).arg(&file).args(destination).output().unwrap();
        let stdout = String::from_utf8_lossy(&published.stdout);
        assert_eq!(published.status.code(), Some(1), "{stdout}{}", stderr(&published));
        assert!(stdout.contains("findings.ndjson:3: invalid: score"), "{stdout}");
        let warning = "findings.ndjson:4: warning: alert_type \"momentun\" is not defined";
        assert!(stdout.contains(warning), "{stdout}");
        assert!(stdout.contains("2 accepted, 1 not accepted"), "{stdout}");
    }

    let tail = ["tail", "scanner.alert.raised", "--json", "--from-start"];
    let mut tail = tapeline(&tail).args(cluster).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.contains(r#""key":"ZZZ""#)).unwrap();
    assert!(line.contains(r#""message":"m\u009b2J""#), "{line}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["value"]["alert_type"], "momentum");
    assert_eq!(terminate(&mut tail), Some(0));

    let unreachable = ["tail", "scanner.alert.raised", "--from-start", "--registry", "http://127.0.0.1:1"];
    let unreachable = tapeline(&unreachable).args(["--brokers", &broker]).output().unwrap();
    assert_eq!(unreachable.status.code(), Some(3), "{}", stderr(&unreachable));
    assert!(stderr(&unreachable).contains("http://127.0.0.1:1"), "{}", stderr(&unreachable));

    let registered = tapeline(&["schemas", "register"]).args(cluster).output().unwrap();
    let stdout = String::from_utf8_lossy(&registered.stdout);
    assert!(registered.status.success(), "{}", stderr(&registered));
    assert_eq!(stdout.lines().count(), 17, "{stdout}");
    assert!(stdout.contains("feature.batch.urgent.v1-value"), "{stdout}");
    assert_eq!(dev.interrupt(), 0);
}
