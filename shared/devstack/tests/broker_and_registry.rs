//! Tests of the embedded broker and registry with the clients of the services.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::time::Duration;

use contracts::{Topic, WriterError, WriterSchemas};
use devstack::broker::EmbeddedBroker;
use devstack::registry::{EmbeddedRegistry, RegistryError};
use kafka_io::{
    BatchProducer, KafkaConfig, OutRecord, ProducerLimits, Registry, RegistryConfig, TopicReader, cluster,
};

const TOPICS: &[(&str, i32)] = &[("scanner.alert.raised.v1", 12), ("feature.vector.computed.v1", 12)];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn produced_records_are_read_from_the_embedded_broker() {
    let broker = EmbeddedBroker::start(TOPICS).unwrap();
    let config = KafkaConfig::embedded(&broker.bootstrap());
    cluster::check(&config, &[Topic::AlertRaised, Topic::VectorComputed]).unwrap();
    assert!(
        cluster::check(&config, &[Topic::BarClosed])
            .unwrap_err()
            .to_string()
            .contains("market.bar.closed.v1")
    );
    let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
    let record = |n: i32| {
        OutRecord::new(Topic::AlertRaised, n % 12, "k", n.to_string().into_bytes())
            .with_traceparent(Some("00-a-b-01"))
    };
    let results = runtime().block_on(producer.produce((0..100).map(record).collect()));
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let read = TopicReader::read_all(&config, &[Topic::AlertRaised], Duration::from_secs(10)).unwrap();
    assert_eq!(read.len(), 100);
    assert_eq!(read[0].headers, [("traceparent".to_owned(), b"00-a-b-01".to_vec())]);
    assert_eq!(broker.truncated().unwrap(), []);
}

#[test]
fn deleted_first_records_are_reported() {
    let broker = EmbeddedBroker::start(TOPICS).unwrap();
    let config = KafkaConfig::embedded(&broker.bootstrap());
    let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
    // Random bytes (xorshift), which do not compress.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let noise: Vec<u8> = (0..900_000).map(|_| noise()).collect();
    for _ in 0..10 {
        let record = OutRecord::new(Topic::AlertRaised, 3, "k", noise.clone());
        runtime().block_on(producer.produce(vec![record]))[0].clone().unwrap();
    }
    let truncated = broker.truncated().unwrap();
    assert_eq!(truncated.len(), 1);
    assert_eq!((truncated[0].topic.as_str(), truncated[0].partition), ("scanner.alert.raised.v1", 3));
}

#[test]
fn registered_contract_is_found_by_its_id() {
    let runtime = runtime();
    let embedded = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
    let config = RegistryConfig { url: embedded.url(), ..RegistryConfig::default() };
    let registry = Registry::new(&config, runtime.handle().clone()).unwrap();
    runtime.block_on(registry.register(Topic::ALL)).unwrap();
    let urgent = registry.id(Topic::BatchUrgent).unwrap();
    assert_eq!(registry.id(Topic::BatchRequested).unwrap(), urgent);
    let other = Registry::new(&config, runtime.handle().clone()).unwrap();
    let schema = other.writer(urgent).unwrap();
    assert_eq!(*schema, *contracts::codec::schema::<contracts::FeatureRequest>());
    assert_eq!(other.writer(9_999), Err(WriterError::Unknown { id: 9_999 }));
}

#[test]
fn port_in_use_is_an_error_with_its_address() {
    let runtime = runtime();
    let first = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
    let error = runtime.block_on(EmbeddedRegistry::start(first.address())).err().unwrap();
    assert!(matches!(error, RegistryError::Listen { address, .. } if address == first.address()), "{error}");
    assert!(error.to_string().contains(&first.address().to_string()));
}
