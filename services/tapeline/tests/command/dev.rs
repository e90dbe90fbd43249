//! `tapeline dev` as a process: its files, its endpoints, and its errors for invalid input.

use crate::process::{RunningDev, dev, real_bars, stderr, tapeline};
use serde_json::Value;

/// A month of bars, which takes seconds.
const MONTH: [&str; 4] = ["--from", "2012-03-01", "--to", "2012-03-30"];

fn month(more: &[&str]) -> Vec<String> {
    let bars = real_bars().to_str().unwrap().to_owned();
    ["--bars".to_owned(), bars].into_iter().chain(MONTH.iter().chain(more).map(|s| (*s).to_owned())).collect()
}

fn run_month(more: &[&str]) -> crate::process::DevRun {
    let args = month(more);
    dev(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn report_matches_topics_and_every_stage_conserves_records() {
    let run = run_month(&[]).expect_ok();
    let report = run.report();
    for (topic, count) in report["topics"].as_object().unwrap() {
        assert_eq!(count["records"], run.topic(topic).len(), "{topic}");
    }
    let stages = report["stages"].as_object().unwrap();
    let names: Vec<&String> = stages.keys().collect();
    let expected =
        ["announcer", "backfill-executor", "backfill-planner", "bridge", "feature", "publisher-edge"];
    assert_eq!(names, expected);
    for (name, stage) in stages {
        let number = |key: &str| stage[key].as_u64().unwrap();
        let dropped: u64 = stage["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        let resolved = number("emitted") + dropped + number("rejected");
        assert_eq!((number("received"), number("held")), (resolved, 0), "{name}");
    }
    let alerts = run.topic("scanner.alert.raised.v1");
    assert_eq!(stages["bridge"]["received"], alerts.len());
    assert!(!alerts.is_empty());
    for key in ["partition", "offset", "timestamp", "key", "headers", "schema_id", "value"] {
        assert_ne!(alerts[0].get(key), None, "{key} is missing in {}", alerts[0]);
    }
}

#[test]
fn findings_file_is_posted_and_invalid_findings_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let finding = |symbol: &str, more: &str| {
        format!(
            r#"{{"event":"scanner.alert.raised","symbol":"{symbol}","alert_type":"volume_spike","score":0.9,"message":"m","source_scanner":"custom","metadata":{{}}{more}}}"#
        )
    };
    let lines = [
        finding(
            "AAPL",
            r#","event_id":"018f0000-0000-7000-8000-000000000001","occurred_at":"2012-03-15T20:00:00Z""#,
        ),
        finding("AAPL", r#","occurred_at":"2012-03-16T20:30:00Z","flavour":1"#),
        "{broken".to_owned(),
        finding("AAPL", r#","occurred_at":"2012-03-16T20:30:00Z""#).replace("volume_spike", "volume_spik"),
    ];
    let file = write(&folder, "findings.ndjson", &lines.join("\n"));
    let run = run_month(&["--findings", &file]);
    let stderr = stderr(&run.output);
    assert_eq!(run.output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("findings.ndjson:2: flavour") && stderr.contains("2 findings rejected"),
        "{stderr}"
    );
    assert!(stderr.contains("findings.ndjson:3: malformed JSON: key must be a string, column 2"), "{stderr}");
    let warning = "findings.ndjson:4: warning: alert_type \"volume_spik\" is not defined";
    assert!(stderr.contains(warning), "{stderr}");
    assert_eq!(run.report()["stages"]["publisher-edge"]["rejected"], 1);
    let requests = [run.topic("feature.batch.urgent.v1"), run.topic("feature.batch.requested.v1")].concat();
    let requested = requests.iter().find(|request| {
        let ids = request["value"]["correlation_ids"].as_array().unwrap();
        ids.contains(&Value::from("018f0000-0000-7000-8000-000000000001"))
    });
    assert_ne!(requested, None, "no request names the finding");
}

#[test]
fn findings_without_bars_run_without_a_market() {
    let folder = tempfile::tempdir().unwrap();
    let finding = r#"{"event":"scanner.alert.raised","symbol":"MSFT","alert_type":"manual","score":0.1,"message":"m","source_scanner":"custom","metadata":{"feature_sets":"price_features,news_features,order_flow_features"}}"#;
    let file = write(&folder, "findings.ndjson", finding);
    let run = dev(&["--findings", &file]).expect_ok();
    let vectors = run.vectors();
    assert_eq!(vectors.len(), 1);
    let sets = &vectors[0]["sets"];
    assert_eq!(sets["price_features"]["status"], "unavailable", "there are no bars of MSFT");
    assert_eq!(sets["news_features"]["reason"], "not built yet");
    assert_eq!(sets["order_flow_features"]["reason"], "no source of trades and quotes");
}

#[test]
fn invalid_bars_exit_with_2_and_name_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "AAPL.csv", "date,open,high,low,close,volume\n2012-01-03,1,0.5,1,1,1\n");
    let run = dev(&["--bars", folder.path().to_str().unwrap()]);
    assert_eq!(run.output.status.code(), Some(2));
    let stderr = stderr(&run.output);
    assert!(stderr.contains("AAPL.csv:2: ") && stderr.contains("high"), "{stderr}");
    let run = dev(&["--bars", "no/such/folder"]);
    assert_eq!(run.output.status.code(), Some(2));
    assert!(crate::process::stderr(&run.output).contains("no/such/folder"));
}

#[test]
fn port_in_use_exits_with_2_and_names_the_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--edge", "--admin"] {
        let run = run_month(&[flag, &address]);
        let stderr = stderr(&run.output);
        assert_eq!(run.output.status.code(), Some(2), "{flag}: {stderr}");
        assert!(stderr.contains(&address), "{flag}: {stderr}");
    }
}

#[test]
fn unknown_event_exits_with_2_and_names_the_known_events() {
    let output = tapeline(&["tail", "scanner.alert.lowered"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = stderr(&output);
    assert!(stderr.contains("scanner.alert.lowered") && stderr.contains("scanner.alert.raised"), "{stderr}");
}

#[tokio::test]
async fn synthetic_market_prints_status_and_stops_on_ctrl_c() {
    let mut running = RunningDev::start(&["--speed", "50", "--seed", "7"]);
    let edge = running.wait_for("edge");
    let admin = running.wait_for("admin");
    assert!(edge.ends_with("/v1/findings"), "{edge}");
    let line = running.wait_for("dates");
    assert!(line.contains("vectors") && line.contains("lag") && line.contains("bridge"), "{line}");
    let get = async |path: &str| {
        let response = reqwest::get(format!("{admin}{path}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/live").await.0, 200);
    assert_eq!(get("/ready").await.0, 200);
    let (_, metrics) = get("/metrics").await;
    for service in ["publisher", "scanner-bridge", "feature", "backfill"] {
        let label = format!("service=\"{service}\"");
        assert!(metrics.lines().any(|l| l.contains(&label)), "no metric of {service}");
        assert!(get("/config").await.1.contains(service));
    }
    let is_accepted = |l: &str| l.starts_with("publisher_edge_findings_total") && l.contains("\"accepted\"");
    let accepted = metrics.lines().find(|l| is_accepted(l)).unwrap();
    assert!(!accepted.ends_with(" 0"), "{accepted}");
    assert!(get("/version").await.1.contains("tapeline"));
    assert_eq!(running.interrupt(), 0);
    let remaining: Vec<String> = running.lines.take().unwrap().map(Result::unwrap).collect();
    assert!(remaining.iter().any(|line| line.trim() == "ok"), "{remaining:?}");
}
