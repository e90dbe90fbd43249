//! A broker, a registry or an edge that can't be reached: every program of ours ends with exit code 3 in bounded time and names the
//! address. What must be reachable for that is embedded, so these tests need nothing that isn't built here.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::Path;
use std::time::{Duration, Instant};

use contracts::{Topic, topics};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Process};

/// Nobody listens on port 1 of the loopback address.
const NOWHERE: &str = "127.0.0.1:1";

/// A start gives a cluster 5 s and a registry the time that it is told; operator's commands give 5 s and 10 s. The rest is for a
/// machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(45);

const UNREACHABLE: i32 = 3;
const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];

#[test]
fn an_unreachable_broker_ends_every_service_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(NOWHERE, &format!("http://{NOWHERE}"));
    let started = SERVICES.map(|name| start_service(&binaries, name, &config, folder.path()));
    assert_end_with_3(started.into(), NOWHERE);
}

#[test]
fn an_unreachable_registry_ends_every_service_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (broker, registry) = (broker(), format!("http://{NOWHERE}"));
    let config = config(&broker.bootstrap(), &registry);
    let started = SERVICES.map(|name| start_service(&binaries, name, &config, folder.path()));
    assert_end_with_3(started.into(), &registry);
}

#[test]
fn an_unreachable_broker_ends_every_command_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        "topics apply --brokers 127.0.0.1:1",
        "tail scanner.alert.raised --brokers 127.0.0.1:1",
        "replay --from 2012-06-01 --to 2012-06-29 --brokers 127.0.0.1:1",
    ];
    let started = commands.map(|arguments| start_command(&binaries, arguments, folder.path()));
    assert_end_with_3(started.into(), NOWHERE);
}

#[test]
fn an_unreachable_registry_ends_every_command_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let broker = broker();
    let replay = format!(
        "replay --from 2012-06-01 --to 2012-06-29 --brokers {} --registry http://127.0.0.1:1",
        broker.bootstrap()
    );
    let commands = ["schemas register --registry http://127.0.0.1:1", &replay];
    let started = commands.map(|arguments| start_command(&binaries, arguments, folder.path()));
    assert_end_with_3(started.into(), &format!("http://{NOWHERE}"));
}

#[test]
fn an_unreachable_edge_ends_every_command_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().join("findings.ndjson");
    std::fs::write(&findings, "{\"event\":\"scanner.alert.raised\"}\n").unwrap();
    let broker = broker();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
    let replay = format!(
        "replay --from 2012-06-01 --to 2012-06-29 --brokers {} --registry {} --edge 127.0.0.1:1",
        broker.bootstrap(),
        registry.url()
    );
    let publish = format!("publish {} --edge 127.0.0.1:1", findings.display());
    let started = [publish, replay].map(|arguments| start_command(&binaries, &arguments, folder.path()));
    assert_end_with_3(started.into(), NOWHERE);
}

/// A cluster with every topic of the contract.
fn broker() -> EmbeddedBroker {
    let topics: Vec<(&str, i32)> =
        Topic::ALL.iter().map(|topic| (topic.name(), topics::DEFAULT_PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).unwrap()
}

/// Ports are free ones: no service gets far enough to need them, but each takes its admin port first.
fn config(brokers: &str, registry: &str) -> String {
    format!(
        "[process]\nadmin = \"127.0.0.1:0\"\n\n[kafka]\nbrokers = \"{brokers}\"\n\n\
         [registry]\nurl = \"{registry}\"\nstart_patience_ms = 1000\n"
    )
}

fn start_service(binaries: &Binaries, name: &str, config: &str, folder: &Path) -> Process {
    let path = folder.join(format!("{name}.toml"));
    let edge = if name == "publisher" { "\n[edge]\nlisten = \"127.0.0.1:0\"\n" } else { "" };
    std::fs::write(&path, format!("{config}{edge}")).unwrap();
    let mut command = binaries.command(name);
    command.arg("--config").arg(path);
    Process::start(name, command, folder).unwrap()
}

/// The command line in words, whose first names its log; a replay gets the bars of the repository.
fn start_command(binaries: &Binaries, arguments: &str, folder: &Path) -> Process {
    let words: Vec<&str> = arguments.split(' ').collect();
    let mut command = binaries.command("tapeline");
    command.args(&words);
    if words[0] == "replay" {
        command.arg("--bars").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/bars"));
    }
    Process::start(words[0], command, folder).unwrap()
}

/// Each ends by itself within the limit that all have together.
fn assert_end_with_3(started: Vec<Process>, address: &str) {
    let deadline = Instant::now() + LIMIT;
    for mut process in started {
        let left = deadline.saturating_duration_since(Instant::now());
        let code = process.wait(left).unwrap().code();
        let printed = process.printed().unwrap();
        assert_eq!(code, Some(UNREACHABLE), "{printed}");
        let said = printed.lines().any(|line| line.contains(address) && !line.starts_with('{'));
        assert!(said, "no line for people names {address}: {printed}");
    }
}
