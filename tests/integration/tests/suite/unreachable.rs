//! An unreachable broker, registry or edge: every program exits with code 3 in bounded time and names the address. What must be
//! reachable is embedded.

use std::path::Path;
use std::time::{Duration, Instant};

use contracts::{Topic, topics};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Process};

/// No process listens on port 1 of the loopback address.
const UNREACHABLE_ADDRESS: &str = "127.0.0.1:1";

/// A start waits 5 s for a cluster and the configured time for a registry; operator's commands wait 5 s and 10 s. The rest is for a
/// machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(45);

const UNREACHABLE: i32 = 3;
const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];

#[test]
fn unreachable_broker_ends_services_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(UNREACHABLE_ADDRESS, &format!("http://{UNREACHABLE_ADDRESS}"));
    let started = SERVICES.map(|name| start_service(&binaries, name, &config, folder.path()));
    assert_end_with_3(started.into(), UNREACHABLE_ADDRESS);
}

#[test]
fn unreachable_registry_ends_services_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (broker, registry) = (broker(), format!("http://{UNREACHABLE_ADDRESS}"));
    let config = config(&broker.bootstrap(), &registry);
    let started = SERVICES.map(|name| start_service(&binaries, name, &config, folder.path()));
    assert_end_with_3(started.into(), &registry);
}

#[test]
fn unreachable_broker_ends_commands_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        "topics apply --brokers 127.0.0.1:1",
        "tail scanner.alert.raised --brokers 127.0.0.1:1",
        "replay --from 2012-06-01 --to 2012-06-29 --brokers 127.0.0.1:1",
    ];
    let started = commands.map(|arguments| start_command(&binaries, arguments, folder.path()));
    assert_end_with_3(started.into(), UNREACHABLE_ADDRESS);
}

#[test]
fn unreachable_registry_ends_commands_with_3_and_is_named() {
    let binaries = Binaries::built().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let broker = broker();
    let replay = format!(
        "replay --from 2012-06-01 --to 2012-06-29 --brokers {} --registry http://127.0.0.1:1",
        broker.bootstrap()
    );
    let commands = ["schemas register --registry http://127.0.0.1:1", &replay];
    let started = commands.map(|arguments| start_command(&binaries, arguments, folder.path()));
    assert_end_with_3(started.into(), &format!("http://{UNREACHABLE_ADDRESS}"));
}

#[test]
fn unreachable_edge_ends_commands_with_3_and_is_named() {
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
    assert_end_with_3(started.into(), UNREACHABLE_ADDRESS);
}

/// Starts a cluster with every topic of the contract.
fn broker() -> EmbeddedBroker {
    let topics: Vec<(&str, i32)> =
        Topic::ALL.iter().map(|topic| (topic.name(), topics::DEFAULT_PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).unwrap()
}

/// The admin port is a free one: each service binds it first.
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

/// Starts a command, whose log has the name of its first word; a replay gets the bars of the repository.
fn start_command(binaries: &Binaries, arguments: &str, folder: &Path) -> Process {
    let words: Vec<&str> = arguments.split(' ').collect();
    let mut command = binaries.command("tapeline");
    command.args(&words);
    if words[0] == "replay" {
        command.arg("--bars").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/bars"));
    }
    Process::start(words[0], command, folder).unwrap()
}

/// Asserts that all of them exit with code 3 within the limit.
fn assert_end_with_3(started: Vec<Process>, address: &str) {
    let deadline = Instant::now() + LIMIT;
    for mut process in started {
        let left = deadline.saturating_duration_since(Instant::now());
        let code = process.wait(left).unwrap().code();
        let printed = process.printed().unwrap();
        assert_eq!(code, Some(UNREACHABLE), "{printed}");
        let is_named = printed.lines().any(|line| line.contains(address) && !line.starts_with('{'));
        assert!(is_named, "no plain line contains {address}: {printed}");
    }
}
