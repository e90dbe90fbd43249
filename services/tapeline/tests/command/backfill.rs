//! `tapeline coverage` and `tapeline backfill` as processes: against a running `tapeline dev`, and against topics without a service.

use std::path::Path;
use std::process::Output;

use contracts::{Codec, RangeRequest, Topic};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use kafka_io::{KafkaConfig, Registry, RegistryConfig, TopicReader};
use serde_json::Value;

use crate::process::{RunningDev, real_bars, stderr, tapeline};

/// Five years before those that the planner requests at the start of the replay.
const RANGE: [&str; 4] = ["--from", "2004-01-02", "--to", "2008-12-31"];

struct Stack {
    brokers: String,
    registry: String,
}

impl Stack {
    fn run(&self, args: &[&[&str]]) -> Output {
        let cluster = ["--brokers", &self.brokers, "--registry", &self.registry];
        tapeline(&args.concat()).args(cluster).output().unwrap()
    }

    fn json(&self, args: &[&[&str]]) -> Value {
        let output = self.run(&[args, &[&["--json"][..]]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn requested_history_is_waited_for_and_covered() {
    let bars = real_bars();
    let mut dev =
        RunningDev::start(&["--bars", bars.to_str().unwrap(), "--from", "2012-11-01", "--speed", "1"]);
    let brokers = dev.wait_for("broker").split_whitespace().next().unwrap().to_owned();
    let stack = Stack { brokers, registry: dev.wait_for("registry") };

    let done = stack.run(&[&["backfill", "request", "AAPL", "--wait"], &RANGE]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(0), "{text}{}", stderr(&done));
    assert!(text.starts_with("completed  AAPL ") && text.contains("1259 records\n"), "{text}");
    assert!(text.contains("1 completed, 0 fetched before, 0 partial, 0 failed; 1259 records"), "{text}");
    let again = stack.run(&[&["backfill", "request", "AAPL", "--wait"], &RANGE]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stdout(&again).contains("0 completed, 1 fetched before"), "{}", stdout(&again));

    let report = stack.json(&[&["coverage", "AAPL"], &RANGE]);
    let slots = &report["series"][0]["slots"];
    assert_eq!((&slots["held"], &slots["missing"]), (&1259.into(), &0.into()), "{slots}");
    assert_eq!(report["verdicts"]["available"], 1259, "{}", report["verdicts"]);
    assert_eq!(report["days"][0], serde_json::json!({"date": "2004-01-02", "verdict": "available"}));
    drawing_is_written(&stack);

    let failed = stack.run(&[&["backfill", "request", "AAPL", "ZZZZ", "--wait", "--layer", "0"], &RANGE]);
    let text = stdout(&failed);
    assert_eq!(failed.status.code(), Some(1), "{text}{}", stderr(&failed));
    assert!(text.contains("failed     ZZZZ ") && text.contains("unknown_symbol: market_data 1day"), "{text}");
    let status = stack.json(&[&["backfill", "status", "ZZZZ"]]);
    assert_eq!(status["ended"][0]["error_class"], "unknown_symbol", "{status:#}");
    let nothing = stack.run(&[&["coverage", "ZZZZ"]]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        stderr(&nothing).contains("nothing of ZZZZ is held, covered or requested"),
        "{}",
        stderr(&nothing)
    );
    drop(dev);
}

fn drawing_is_written(stack: &Stack) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coverage.svg");
    let drawn = stack.run(&[&["coverage", "AAPL", "--out", path.to_str().unwrap()]]);
    assert!(stdout(&drawn).contains("market_data 1day"), "{}", stdout(&drawn));
    let svg = std::fs::read_to_string(&path).unwrap();
    assert!(svg.contains("<title>Coverage of AAPL</title>") && svg.contains(": held</title>"), "{svg}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_without_a_service_is_pending_and_cancelled() {
    let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    let registry = EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let stack = Stack { brokers: broker.bootstrap(), registry: registry.url() };
    let folder = tempfile::tempdir().unwrap();
    let symbols = folder.path().join("symbols.txt");
    let lines: Vec<String> = (0..2_000).map(symbol).collect();
    std::fs::write(&symbols, lines.join("\n")).unwrap();
    let file = ["--symbols-file", symbols.to_str().unwrap(), "--operator", "me"];

    let written = stack.run(&[&["backfill", "request"], &file, &RANGE]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    assert_eq!(stdout(&written).lines().count(), 2_000);
    let status = stack.json(&[&["backfill", "status", "AAAA"]]);
    assert_eq!(status["counts"], serde_json::json!({"open": 1, "ended": 0}));
    let open = &status["open"][0];
    assert_eq!((&open["state"], &open["request"]["source"]), (&"requested".into(), &"me".into()), "{open:#}");
    let id = open["backfill_id"].as_str().unwrap();
    assert_eq!(stack.json(&[&["backfill", "status"]])["counts"]["open"], 2_000);
    let report = stack.json(&[&["coverage", "AAAA"]]);
    assert_eq!(report["verdicts"]["pending"], 1_259, "{}", report["verdicts"]);

    let waiting = stack.run(&[&["backfill", "request", "AAAA", "--wait", "--timeout-s", "1"], &RANGE]);
    assert_eq!(waiting.status.code(), Some(1));
    assert!(stderr(&waiting).contains("1 requests did not end within 1 s"), "{}", stderr(&waiting));
    let cancelled = stack.run(&[&["backfill", "cancel", id]]);
    assert_eq!(cancelled.status.code(), Some(0), "{}", stderr(&cancelled));
    let cancels = cancel_requests(&stack);
    assert_eq!(cancels.len(), 1);
    assert_eq!((cancels[0].backfill_id.as_str(), cancels[0].symbol.as_str()), (id, "AAAA"));
    let unknown = "6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10";
    for command in ["cancel", "status"] {
        let output = stack.run(&[&["backfill", command, unknown]]);
        assert_eq!(output.status.code(), Some(1), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains(unknown), "{command}: {}", stderr(&output));
    }
}

/// Returns the symbol with this number.
fn symbol(number: u32) -> String {
    let character = |power: u32| char::from(b'A' + u8::try_from(number / 26_u32.pow(power) % 26).unwrap());
    [3, 2, 1, 0].map(character).into_iter().collect()
}

fn cancel_requests(stack: &Stack) -> Vec<RangeRequest> {
    let kafka = KafkaConfig::embedded(&stack.brokers);
    let registry = RegistryConfig { url: stack.registry.clone(), ..RegistryConfig::default() };
    let registry = Registry::new(&registry, tokio::runtime::Handle::current()).unwrap();
    let timeout = std::time::Duration::from_secs(30);
    let codec = Codec::new();
    tokio::task::block_in_place(|| {
        let records = TopicReader::read_all(&kafka, &[Topic::RangeRequested], timeout).unwrap();
        let events = records.iter().map(|record| codec.decode(record.payload.as_deref(), &registry).unwrap());
        events.filter(|event: &RangeRequest| event.cancel).collect()
    })
}

#[test]
fn invalid_requests_exit_with_2_and_name_place_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("symbols.txt");
    std::fs::write(&file, "AAPL\naapl\n").unwrap();
    let file = file.to_str().unwrap();
    let missing = Path::new(file).with_file_name("none.txt");
    let missing = missing.to_str().unwrap();
    let year = ["--from", "2020-01-01", "--to", "2020-12-31"];
    let cases: [(&[&str], &[&str], &str); 9] = [
        (&["AAPL", "msft"], &year, "argument 2: symbol \"msft\""),
        (&["--symbols-file", file], &year, "symbols.txt:2: symbol \"aapl\""),
        (&["--symbols-file", missing], &year, "none.txt: No such file"),
        (&["AAPL", "--types", "bars"], &year, "expected one of corporate_actions"),
        (&["AAPL", "--layer", "4"], &year, "expected 0, 1, 2 or 3"),
        (&["AAPL"], &["--from", "2020-01-01", "--to", "2019-01-01"], "start"),
        (&["AAPL"], &["--from", "2000-01-01", "--to", "2019-01-01"], "more than 10 years"),
        (&["AAPL"], &["--from", "2999-01-01", "--to", "2999-01-02"], "ahead of the clock"),
        (&["AAPL"], &["--from", "2020-1-1", "--to", "2021-01-01"], "expected a date such as"),
    ];
    for (symbols, range, cause) in cases {
        let output = tapeline(&["backfill", "request"]).args(symbols).args(range).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{symbols:?} {range:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(cause), "{symbols:?} {range:?}: {}", stderr(&output));
    }
    for command in
        [&["coverage", "aapl"][..], &["coverage", "AAPL", "--from", "2020-01-02", "--to", "2020-01-01"]]
    {
        assert_eq!(tapeline(command).output().unwrap().status.code(), Some(2), "{command:?}");
    }
}

#[test]
fn unreachable_cluster_exits_with_3() {
    let commands: [&[&str]; 3] = [
        &["coverage", "AAPL"],
        &["backfill", "status"],
        &["backfill", "request", "AAPL", "--from", "2020-01-01", "--to", "2020-12-31"],
    ];
    for command in commands {
        let output = tapeline(command).args(["--brokers", "127.0.0.1:1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{command:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("127.0.0.1:1"), "{command:?}: {}", stderr(&output));
    }
}
