//! Topics, committed offsets and configuration files of release 0.1.0 under the services of this version. `release-0.1.0/topics.ndjson.gz`
//! has the bytes that a run of that release wrote, by `clients/recorded_topics.py`, without one of the bars: it covered a session that a file
//! lacked. The files next to it set every key that it had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration::{
    Binaries, Service, Stack, free_port, python, read_all, real_parts_missing, request, run_to_end,
    wait_until,
};
use kafka_io::{KafkaConfig, TopicReader};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);
const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];
/// Outputs of the stages from the publisher to the executor, with the records that one new alert and one new proposal add.
const ADDED: [(&str, u64); 9] = [
    ("scanner.alert.raised.v1", 1),
    ("scanner.symbol.proposed.v1", 1),
    ("scanner.symbol.qualified.v1", 1),
    ("feature.batch.requested.v1", 0),
    ("feature.batch.urgent.v1", 1),
    ("feature.vector.computed.v1", 1),
    ("feature.request.failed.v1", 0),
    ("backfill.range.requested.v1", 1),
    ("backfill.range.failed.v1", 0),
];

#[test]
fn release_0_1_0_is_upgraded_with_its_topics_and_files() {
    if real_parts_missing() {
        return;
    }
    let Some(python) = python() else { return };
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let before = restore(python, &stack);
    tapeline(&binaries, &stack, &["topics", "apply", "--replication", "1"]);
    tapeline(&binaries, &stack, &["schemas", "register"]);

    let edge = free_port().unwrap();
    let mut services = SERVICES.map(|name| {
        let sections = configuration(name, &stack, edge);
        Service::start(&binaries, name, &sections, stack.folder()).unwrap()
    });
    for service in &mut services {
        service.wait_until_ready().unwrap();
    }
    post(edge);
    let done = [("feature.vector.computed.v1", 1), ("backfill.range.completed.v1", 1)];
    let is_done = || done.iter().all(|(topic, more)| count(&stack, topic) >= before[*topic] + more);
    assert!(wait_until(LIMIT, is_done), "{}", services.map(|mut it| it.process().excerpt()).concat());
    for (topic, more) in ADDED {
        assert_eq!(count(&stack, topic), before.get(topic).copied().unwrap_or(0) + more, "{topic}");
    }
    for service in &mut services {
        assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
        let printed = service.process().printed().unwrap();
        let renamed = ["alerts.batch_quiet_ms", "requests.workers", "executor.workers"];
        let renamed = renamed.iter().filter(|key| printed.contains(**key)).count();
        assert_eq!(renamed, usize::from(service.name() != "publisher"), "{}: {printed}", service.name());
    }
    let read = read_all(&stack, &[]).unwrap().unwrap();
    assert_eq!(read.code, Some(0), "{}", read.printed);
    tapeline(&binaries, &stack, &["verify"]);
    let rebuilt = tapeline(&binaries, &stack, &["coverage", "rebuild"]);
    // The lacking bar divides the coverage of its series. Bars of the replay are covered as well, since they are held.
    let intervals = |symbol: &str| {
        let line = rebuilt.lines().find(|line| line.starts_with(symbol)).unwrap_or_default();
        line.split(',').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(intervals("AAPL "), "AAPL 1day intervals 1 -> 2", "{rebuilt}");
    assert_eq!(intervals("GOOG "), "GOOG 1day intervals 1 -> 1", "{rebuilt}");
    assert!(rebuilt.contains("0 too large, 0 records skipped"), "{rebuilt}");
}

/// Writes the recorded topics, schemas and offsets, and returns the number of records of each topic.
fn restore(python: PathBuf, stack: &Stack) -> BTreeMap<String, u64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg("-B").arg(root.join("clients/recorded_topics.py")).arg("restore");
    command.arg(root.join("tests/release-0.1.0/topics.ndjson.gz"));
    command.args(["--brokers", &stack.broker.address(), "--registry", &stack.registry.url()]);
    let restored = run_to_end("restore", command, stack.folder(), LIMIT).unwrap();
    assert_eq!(restored.code, Some(0), "{}", restored.printed);
    let counts = restored.printed.lines().last().unwrap_or_default();
    serde_json::from_str(counts).unwrap()
}

/// Runs the command, which must succeed, and returns its output.
fn tapeline(binaries: &Binaries, stack: &Stack, arguments: &[&str]) -> String {
    let mut command = binaries.command("tapeline");
    command.args(arguments);
    command.args(["--brokers", &stack.broker.address(), "--registry", &stack.registry.url()]);
    let ended = run_to_end(arguments[0], command, stack.folder(), LIMIT).unwrap();
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.printed);
    ended.printed
}

/// Returns the file of a service, with the addresses of this run.
fn configuration(name: &str, stack: &Stack, edge: u16) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(format!("tests/release-0.1.0/{name}.toml"))).unwrap();
    text.replace("@BROKERS@", &stack.broker.address())
        .replace("@REGISTRY@", &stack.registry.url())
        .replace("@EDGE@", &edge.to_string())
        .replace("@BARS@", &root.join("../data/bars").display().to_string())
}

/// Posts an urgent alert of a symbol whose bars are in the recorded topics, and the proposal of a symbol that has none there.
fn post(edge: u16) {
    let alert = json!({
        "event": "scanner.alert.raised", "symbol": "AAPL", "alert_type": "volume_spike", "score": 0.9, "message": "upgraded",
        "source_scanner": "test", "metadata": {},
    });
    let proposal = json!({
        "event": "scanner.symbol.proposed", "symbol": "FB", "from_layer": null, "to_layer": 0, "reason": "upgraded", "metrics": {},
        "occurred_at": "2012-06-22T00:00:00Z",
    });
    let reply = request(edge, "POST", "/v1/findings", &json!([alert, proposal]).to_string()).unwrap();
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(reply.status, 200, "{body}");
}

fn count(stack: &Stack, topic: &str) -> u64 {
    let kafka = KafkaConfig { brokers: stack.broker.address(), ..KafkaConfig::default() };
    let topic = contracts::Topic::from_name(topic).unwrap();
    TopicReader::read_all(&kafka, &[topic], LIMIT).unwrap().len() as u64
}
