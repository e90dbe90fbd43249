//! `list` and `show`.

use contracts::Topic;
use serde_json::{Value, json};

use crate::environment::{TestBroker, dead_letter_of};

fn broker() -> TestBroker {
    let broker = TestBroker::start();
    broker.write(&[
        dead_letter_of(Topic::AlertRaised, "bad_magic", &[9, 1], 0),
        dead_letter_of(Topic::GapDetected, "misplaced", b"\0\0\0\0\x01gap", 1),
        dead_letter_of(Topic::AlertRaised, "bad_magic", &[9, 2], 0),
    ]);
    broker
}

#[test]
fn dead_letters_are_listed_filtered_and_counted() {
    let broker = broker();
    let lines: Vec<Value> =
        broker.run("list --json").expect(0).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let second = &lines[1];
    for (name, value) in [
        ("topic", json!("scanner-bridge.dead-letter")),
        ("partition", json!(3)),
        ("offset", json!(1)),
        ("class", json!("misplaced")),
        ("error", json!("test error")),
        ("service", json!("scanner-bridge")),
        ("attempts", json!(1)),
        ("epoch", json!(4)),
        ("generation", json!(2)),
        ("original_topic", json!("market.gap.detected.v1")),
        ("original_partition", json!(3)),
        ("original_offset", json!(99)),
        ("original_time", json!("2024-07-10T20:00:00Z")),
        ("key", json!("AAPL")),
        ("schema_id", json!(1)),
        ("payload_bytes", json!(8)),
        ("truncated", json!(false)),
    ] {
        assert_eq!(second[name], value, "{name} in {second}");
    }
    for (filters, expected) in [
        ("", 3),
        ("--class bad_magic", 2),
        ("--class bad_magic,misplaced", 3),
        ("--topic market.gap.detected", 1),
        ("--key AAPL --since 10m", 3),
        ("--key MSFT", 0),
        ("--until 10m", 0),
        ("--service feature,publisher", 0),
        ("--service scanner-bridge --partition 3 --offset 2", 1),
    ] {
        let lines = broker.run(&format!("list {filters}")).expect(0).lines().count();
        assert_eq!(lines, expected, "{filters}");
    }
    let none = broker.run("list --key MSFT --json");
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "no dead letters match --key MSFT\n"));
    let unknown = broker.run("list --class bad_magik");
    assert!(unknown.err.contains("unknown class: expected one of tombstone, "), "{}", unknown.err);
    unknown.expect(2);
    let counts = broker.run("list --counts").expect(0);
    let counts: Vec<Vec<&str>> = counts.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        counts,
        [["2", "bad_magic", "scanner.alert.raised.v1"], ["1", "misplaced", "market.gap.detected.v1"]]
    );
}

#[test]
fn one_dead_letter_is_shown_and_its_payload_saved() {
    let (broker, folder) = (broker(), tempfile::tempdir().unwrap());
    let file = folder.path().join("payload");
    let show = "show --service scanner-bridge --partition 3 --offset 2";
    let page = broker.run(&format!("{show} --save {}", file.display())).expect(0);
    for part in ["bad_magic", "test error", "scanner.alert.raised.v1[3]@99", "\"custom\": \"again\"", "09 02"]
    {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    assert_eq!(std::fs::read(file).unwrap(), [9, 2]);
    assert!(broker.run("show --service scanner-bridge --partition 3 --offset 3").expect(2).is_empty());
    assert!(broker.run("show --class bad_magic").err.contains("--offset"));
    assert!(broker.run("show --service unknown").err.contains("scanner-bridge"));
}

#[test]
fn payload_of_an_unavailable_schema_is_shown_as_bytes() {
    let page = broker().run("show --service scanner-bridge --partition 3 --offset 1").expect(0);
    assert!(page.contains("not decoded: failed to fetch schema 1") && page.contains("67 61 70"), "{page}");
}
