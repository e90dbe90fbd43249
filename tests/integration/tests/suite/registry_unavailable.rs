//! A service whose registry is unavailable at its start: it starts from its cache folder, works, and exits when the registry
//! contradicts the cache. Broker and registry are embedded.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use contracts::{Topic, encode, topics};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Service, wait_until};
use kafka_io::{KafkaConfig, Registry, RegistryConfig};
use tokio::runtime::Runtime;

use crate::alerts;

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
fn service_starts_without_registry_only_with_a_cache_folder() {
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
    assert_eq!(alerts::requested_symbols(&kafka, 1, LIMIT).len(), 1);
    let cached = || std::fs::read_to_string(cache.join("registry-cache.json")).unwrap_or_default();
    assert!(wait_until(LIMIT, || cached().contains("AlertType")), "{}", cached());
    assert_eq!(service.terminate().unwrap(), Some(0));
    drop(registry);

    service.restart().unwrap();
    assert!(service.metrics().unwrap().sum("tapeline_registry_unconfirmed_ids", &[]) > 0.5);
    produce(&kafka, 2, id);
    assert_eq!(alerts::requested_symbols(&kafka, 2, LIMIT).len(), 2, "{}", service.process().excerpt());
    let printed = service.process().printed().unwrap();
    assert!(printed.contains("starting with cached schema ids"), "{printed}");

    // A new registry on the same address assigns other ids, because alerts are not registered first: with the cached id, readers
    // would decode records by another schema.
    let recreated = registry_on(&runtime, &address);
    let status = service.process().wait(LIMIT).unwrap();
    assert_eq!(status.code(), Some(1), "{}", service.process().excerpt());
    let printed = service.process().printed().unwrap();
    assert!(printed.contains("records were written under") && printed.contains(&address), "{printed}");
    drop(recreated);

    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut without = bridge(&binaries, &broker, &url, "", &other);
    assert_eq!(without.process().wait(LIMIT).unwrap().code(), Some(3), "{}", without.process().excerpt());
}
