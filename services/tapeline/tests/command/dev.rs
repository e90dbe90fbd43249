//! `tapeline dev` from outside: its files, its endpoints, and what it says of bad input.

use crate::process::{Live, dev, errors, real_bars, tapeline};
use serde_json::Value;

/// A month of bars: seconds.
const MONTH: [&str; 4] = ["--from", "2012-03-01", "--to", "2012-03-30"];

fn month(more: &[&str]) -> Vec<String> {
    let bars = real_bars().to_str().unwrap().to_owned();
    ["--bars".to_owned(), bars].into_iter().chain(MONTH.iter().chain(more).map(|s| (*s).to_owned())).collect()
}

fn run_month(more: &[&str]) -> crate::process::Run {
    let args = month(more);
    dev(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_report_agrees_with_the_topics_and_every_stage_conserves() {
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
        let settled = number("emitted") + dropped + number("rejected");
        assert_eq!((number("received"), number("held")), (settled, 0), "{name}");
    }
    let alerts = run.topic("scanner.alert.raised.v1");
    assert_eq!(stages["bridge"]["received"], alerts.len());
    assert!(!alerts.is_empty());
    for key in ["partition", "offset", "timestamp", "key", "headers", "schema_id", "value"] {
        assert!(alerts[0].get(key).is_some(), "{key} is missing in {}", alerts[0]);
    }
}

#[test]
fn findings_of_a_file_are_posted_beside_the_scanner_and_bad_ones_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let finding = |symbol: &str, more: &str| {
        format!(
            r#"{{"event":"scanner.alert.raised","symbol":"{symbol}","alert_type":"volume_spike","score":0.9,"message":"m","source_scanner":"mine","metadata":{{}}{more}}}"#
        )
    };
    let lines = [
        finding(
            "AAPL",
            r#","event_id":"018f0000-0000-7000-8000-000000000001","occurred_at":"2012-03-15T20:00:00Z""#,
        ),
        finding("AAPL", r#","occurred_at":"2012-03-16T20:30:00Z","flavour":1"#),
        "{broken".to_owned(),
    ];
    let file = write(&folder, "findings.ndjson", &lines.join("\n"));
    let run = run_month(&["--findings", &file]).expect_ok();
    let said = errors(&run.output);
    assert!(said.contains("flavour") && said.contains("malformed JSON"), "{said}");
    assert_eq!(run.report()["stages"]["publisher-edge"]["rejected"], 2);
    let requests = [run.topic("feature.batch.urgent.v1"), run.topic("feature.batch.requested.v1")].concat();
    let mine = requests.iter().find(|request| {
        let ids = request["value"]["correlation_ids"].as_array().unwrap();
        ids.contains(&Value::from("018f0000-0000-7000-8000-000000000001"))
    });
    assert!(mine.is_some(), "no request answers the finding");
}

#[test]
fn findings_alone_need_no_market() {
    let folder = tempfile::tempdir().unwrap();
    let finding = r#"{"event":"scanner.alert.raised","symbol":"MSFT","alert_type":"manual","score":0.1,"message":"m","source_scanner":"mine","metadata":{"feature_sets":"price_features,news_features,order_flow_features"}}"#;
    let file = write(&folder, "findings.ndjson", finding);
    let run = dev(&["--findings", &file]).expect_ok();
    let vectors = run.vectors();
    assert_eq!(vectors.len(), 1);
    let sets = &vectors[0]["sets"];
    assert_eq!(sets["price_features"]["status"], "unavailable", "no bars are known of MSFT");
    assert_eq!(sets["news_features"]["reason"], "not built yet");
    assert_eq!(sets["order_flow_features"]["reason"], "no source of trades and quotes");
}

#[test]
fn bad_bars_end_with_2_and_name_file_line_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "AAPL.csv", "date,open,high,low,close,volume\n2012-01-03,1,0.5,1,1,1\n");
    let run = dev(&["--bars", folder.path().to_str().unwrap()]);
    assert_eq!(run.output.status.code(), Some(2));
    let said = errors(&run.output);
    assert!(said.contains("AAPL.csv:2: ") && said.contains("high"), "{said}");
    let run = dev(&["--bars", "no/such/folder"]);
    assert_eq!(run.output.status.code(), Some(2));
    assert!(errors(&run.output).contains("no/such/folder"));
}

#[test]
fn an_edge_or_admin_port_in_use_ends_with_2_and_names_the_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--edge", "--admin"] {
        let run = run_month(&[flag, &address]);
        let said = errors(&run.output);
        assert_eq!(run.output.status.code(), Some(2), "{flag}: {said}");
        assert!(said.contains(&address), "{flag}: {said}");
    }
}

#[test]
fn an_unknown_event_in_tail_ends_with_2_and_names_those_that_there_are() {
    let output = tapeline(&["tail", "scanner.alert.lowered"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(said.contains("scanner.alert.lowered") && said.contains("scanner.alert.raised"), "{said}");
}

#[tokio::test]
async fn the_synthetic_market_tells_a_line_a_second_answers_on_its_endpoints_and_ends_on_ctrl_c() {
    let mut live = Live::start(&["--speed", "50", "--seed", "7"]);
    let edge = live.wait_for("edge");
    let admin = live.wait_for("admin");
    assert!(edge.ends_with("/v1/findings"), "{edge}");
    let line = live.wait_for("dates");
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
    assert_eq!(live.interrupt(), 0);
    let rest: Vec<String> = live.lines.by_ref().map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.trim() == "ok"), "{rest:?}");
}
