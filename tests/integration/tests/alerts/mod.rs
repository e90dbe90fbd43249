//! Alerts for the scanner-bridge, each with its own symbol, and the requests that result from them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::codec::{Codec, schema};
use contracts::{Alert, FeatureRequest, Topic, WriterError, WriterSchemas, partition_for};
use domain::{AlertType, Symbol};
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, ProducerLimits, TopicReader};

const ALPHABET: usize = 26;

/// Returns the alert with this number; only symbol and event id depend on it.
pub(crate) fn alert(number: usize) -> Alert {
    let digit =
        |power: u32| char::from(b'A' + u8::try_from(number / ALPHABET.pow(power) % ALPHABET).unwrap());
    Alert {
        event_id: format!("018e43a1-7c00-7011-8a3b-{number:012x}"),
        occurred_at: 1_710_532_800_000_000,
        source: "test".to_owned(),
        correlation_id: None,
        symbol: (0..5).rev().map(digit).collect(),
        alert_type: AlertType::VolumeSpike,
        score: 0.9,
        message: "volume".to_owned(),
        source_scanner: "volume".to_owned(),
        metadata: [].into(),
    }
}

/// Returns the record of a payload, in the partition of its symbol.
pub(crate) fn record(symbol: &str, partitions: i32, payload: Vec<u8>) -> OutRecord {
    OutRecord::new(Topic::AlertRaised, partition_for(symbol.as_bytes(), partitions), symbol, payload)
}

/// Produces the records and waits until all of them are acknowledged.
pub(crate) fn produce(kafka: &KafkaConfig, records: Vec<OutRecord>) {
    let producer = BatchProducer::new(kafka, ProducerLimits::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for result in runtime.block_on(producer.produce(records)) {
        result.unwrap();
    }
}

/// Returns the number of requests of each symbol, once there are `count` symbols or the limit is exceeded.
pub(crate) fn requested_symbols(kafka: &KafkaConfig, count: usize, limit: Duration) -> BTreeMap<Symbol, u32> {
    /// Requests are written with the current schema, under any id.
    struct CurrentSchema;
    impl WriterSchemas for CurrentSchema {
        fn writer(&self, _: u32) -> Result<std::sync::Arc<apache_avro::Schema>, WriterError> {
            Ok(std::sync::Arc::new(schema::<FeatureRequest>().clone()))
        }
    }
    let (codec, deadline) = (Codec::new(), Instant::now() + limit);
    loop {
        let topics = [Topic::BatchRequested, Topic::BatchUrgent];
        let mut requested = BTreeMap::new();
        for record in TopicReader::read_all(kafka, &topics, Duration::from_secs(30)).unwrap() {
            let request: FeatureRequest = codec.decode(record.payload.as_deref(), &CurrentSchema).unwrap();
            for symbol in request.symbols {
                *requested.entry(Symbol::parse(&symbol.symbol).unwrap()).or_insert(0) += 1;
            }
        }
        if requested.len() >= count || Instant::now() >= deadline {
            return requested;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
