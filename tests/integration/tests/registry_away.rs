//! A service whose registry is away at its start: it starts from its cache folder, works, and ends when the registry contradicts it.
//! Broker and registry are embedded, so these tests need nothing that isn't built here.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod alerts;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use contracts::{Topic, encode, topics};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Service, wait_until};
use kafka_io::{KafkaConfig, Registry, RegistryConfig};
use tokio::runtime::Runtime;

/// A debug build on a busy machine takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

fn broker() -> EmbeddedBroker {
    let topics: Vec<(&str, i32)> =
        Topic::ALL.iter().map(|topic| (topic.name(), topics::DEFAULT_PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).unwrap()
}

fn registry_on(runtime: &Runtime, address: &str) -> EmbeddedRegistry {
    runtime.block_on(EmbeddedRegistry::start(address.parse::<SocketAddr>().unwrap())).unwrap()
}

fn alerts_id(runtime: &Runtime, registry: &EmbeddedRegistry) -> u32 {
    let config = RegistryConfig { url: registry.url(), ..RegistryConfig::default() };
    let client = Registry::new(&config, runtime.handle().clone()).unwrap();
    runtime.block_on(client.register(&[Topic::AlertRaised])).unwrap();
    client.id(Topic::AlertRaised).unwrap()
}

fn bridge(
    binaries: &Binaries,
    broker: &EmbeddedBroker,
    registry: &str,
    cache: &str,
    folder: &Path,
) -> Service {
    let sections = format!(
        "[kafka]\nbrokers = \"{}\"\nprofile = \"embedded\"\ndelivery = \"at_least_once\"\n\n\
         [registry]\nurl = \"{registry}\"\nstart_patience_ms = 3000\ncached_start_patience_ms = 500\n\
         cache_folder = \"{cache}\"\n\n[alerts]\nbatch_wait_ms = 200\nbatch_linger_ms = 100\n",
        broker.bootstrap()
    );
    Service::start(binaries, "scanner-bridge", &sections, folder).unwrap()
}

fn produce(kafka: &KafkaConfig, number: usize, id: u32) {
    let alert = alerts::alert(number);
    let mut payload = Vec::new();
    encode(&alert, id, &mut payload).unwrap();
    alerts::produce(kafka, vec![alerts::record(&alert.symbol, kafka.partitions, payload)]);
}

#[test]
fn a_service_starts_and_decodes_without_the_registry_from_its_cache_folder_and_not_without_one() {
    let (binaries, runtime) = (Binaries::built().unwrap(), Runtime::new().unwrap());
    let (folder, broker) = (tempfile::tempdir().unwrap(), broker());
    let kafka = KafkaConfig::embedded(&broker.bootstrap());
    let registry = registry_on(&runtime, "127.0.0.1:0");
    let (url, address) = (registry.url(), registry.address().to_string());
    let id = alerts_id(&runtime, &registry);
    let cache = folder.path().join("cache");

    let mut service = bridge(&binaries, &broker, &url, cache.to_str().unwrap(), folder.path());
    service.wait_until_ready().unwrap();
    produce(&kafka, 1, id);
    assert_eq!(alerts::asked_symbols(&kafka, 1, LIMIT).len(), 1);
    let kept = || std::fs::read_to_string(cache.join("registry-cache.json")).unwrap_or_default();
    assert!(wait_until(LIMIT, || kept().contains("AlertType")), "{}", kept());
    assert_eq!(service.terminate().unwrap(), Some(0));
    drop(registry);

    service.start_again().unwrap();
    assert!(service.metrics().unwrap().sum("tapeline_registry_unconfirmed_ids", &[]) > 0.5);
    produce(&kafka, 2, id);
    assert_eq!(alerts::asked_symbols(&kafka, 2, LIMIT).len(), 2, "{}", service.process().excerpt());
    let printed = service.process().printed().unwrap();
    assert!(printed.contains("starting with cached schema ids"), "{printed}");

    // The same registry made anew counts otherwise, for nobody registers alerts first: what is written now would be read by another
    // schema.
    let anew = registry_on(&runtime, &address);
    let ended = service.process().wait(LIMIT).unwrap();
    assert_eq!(ended.code(), Some(1), "{}", service.process().excerpt());
    let printed = service.process().printed().unwrap();
    assert!(printed.contains("records were written under") && printed.contains(&address), "{printed}");
    drop(anew);

    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut without = bridge(&binaries, &broker, &url, "", &other);
    assert_eq!(without.process().wait(LIMIT).unwrap().code(), Some(3), "{}", without.process().excerpt());
}
