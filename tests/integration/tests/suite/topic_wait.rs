//! Services that start before their topics exist: they wait, name the topics, end at once at a signal, and continue when the topics are
//! created. Broker and registry are embedded.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Topic;
use contracts::topics::DEFAULT_PARTITIONS;
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Service, free_port, request, run_to_end, wait_until};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// For a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);
const UNREACHABLE: i32 = 3;
const SERVICES: [&str; 4] = ["publisher", "scanner-bridge", "feature", "backfill"];

struct Bench {
    binaries: Binaries,
    broker: EmbeddedBroker,
    registry: EmbeddedRegistry,
    folder: TempDir,
    /// Runs the registry.
    _runtime: Runtime,
}

#[test]
fn services_wait_for_topics_and_work_when_they_exist() {
    let mut bench = Bench::start();
    let mut services = SERVICES.map(|name| bench.service(name, 300_000));
    for service in &mut services {
        let expected = permitted_topics(service.name());
        assert!(wait_until(LIMIT, || missing_topics(service) == expected), "{}", service.readiness());
        let live = request(service.admin(), "GET", "/live", "").unwrap();
        assert_eq!(live.status, 200, "{}", live.body);
    }
    let stopped = bench.service("feature", 300_000);
    terminate_while_waiting(stopped);
    for topic in Topic::ALL {
        bench.broker.create_topic(topic.name(), DEFAULT_PARTITIONS).unwrap();
    }
    for mut service in services {
        service.wait_until_ready().unwrap();
        assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
        let printed = service.process().printed().unwrap();
        for (line, count) in [("accessible: waiting", 1), ("all topics available", 1)] {
            assert_eq!(printed.matches(line).count(), count, "{line}: {printed}");
        }
    }
}

#[test]
fn passed_limit_of_the_wait_ends_with_3() {
    let bench = Bench::start();
    for (case, limit_ms) in [("fails-at-once", 0), ("waits", 700)] {
        let path = bench.folder.path().join(format!("{case}.toml"));
        let admin = "[process]\nadmin = \"127.0.0.1:0\"\n\n";
        std::fs::write(&path, format!("{admin}{}", bench.sections("feature", limit_ms))).unwrap();
        let mut command = bench.binaries.command("feature");
        command.arg("--config").arg(path);
        let ended = run_to_end(case, command, bench.folder.path(), LIMIT).unwrap();
        assert_eq!(ended.code, Some(UNREACHABLE), "{}", ended.printed);
        assert!(ended.printed.contains("does not exist on 127.0.0.1:"), "{}", ended.printed);
        assert_eq!(ended.printed.contains("accessible: waiting"), limit_ms > 0, "{}", ended.printed);
    }
}

/// Terminates a service that waits. It has not connected, so nothing has to drain.
fn terminate_while_waiting(mut service: Service) {
    assert!(wait_until(LIMIT, || !missing_topics(&service).is_empty()), "{}", service.readiness());
    assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
}

// === impl Bench ===

impl Bench {
    /// Starts a broker without topics.
    fn start() -> Self {
        let (binaries, runtime) = (Binaries::built().unwrap(), Runtime::new().unwrap());
        let registry = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
        let (broker, folder) = (EmbeddedBroker::start(&[]).unwrap(), tempfile::tempdir().unwrap());
        Self { binaries, broker, registry, folder, _runtime: runtime }
    }

    fn service(&self, name: &'static str, topics_wait_ms: u32) -> Service {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let sections = self.sections(name, topics_wait_ms);
        Service::start(&self.binaries, name, &sections, &folder).unwrap()
    }

    fn sections(&self, name: &str, topics_wait_ms: u32) -> String {
        let (brokers, registry) = (self.broker.bootstrap(), self.registry.url());
        let edge = match name {
            "publisher" => format!("\n[edge]\nlisten = \"127.0.0.1:{}\"\n", free_port().unwrap()),
            _ => String::new(),
        };
        format!(
            "[kafka]\nbrokers = \"{brokers}\"\nprofile = \"embedded\"\ndelivery = \"at_least_once\"\n\
             topics_wait_ms = {topics_wait_ms}\n\n[registry]\nurl = \"{registry}\"\n{edge}"
        )
    }
}

/// Returns the topics that `/ready` names as missing.
fn missing_topics(service: &Service) -> BTreeSet<String> {
    let readiness = service.readiness();
    let names = readiness.split("waiting for missing topics: ").nth(1).unwrap_or_default();
    let names = names.split('"').next().unwrap_or_default();
    names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Returns the topics that the service has permissions for.
fn permitted_topics(service: &str) -> BTreeSet<String> {
    let permissions = include_str!("../../../../deploy/kafka/acls.txt");
    let mut names = BTreeSet::new();
    for line in permissions.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [principal, _, "topic", topics @ ..] = &words[..]
            && *principal == format!("tapeline-{service}")
        {
            names.extend(topics.iter().map(|topic| (*topic).to_owned()));
        }
    }
    names
}
