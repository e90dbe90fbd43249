//! Alerts for the scanner-bridge, each of a symbol of its own, and the requests that it makes of them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::codec::{Codec, schema};
use contracts::{Alert, FeatureRequest, Topic, WriterError, WriterSchemas, partition_for};
use domain::{AlertType, Symbol};
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, ProducerLimits, TopicReader};

const LETTERS: usize = 26;

/// The alert of this number: a symbol of five letters, nothing else to tell it from others.
pub(crate) fn alert(number: usize) -> Alert {
    let letter = |place: u32| char::from(b'A' + u8::try_from(number / LETTERS.pow(place) % LETTERS).unwrap());
    Alert {
        event_id: format!("018e43a1-7c00-7011-8a3b-{number:012x}"),
        occurred_at: 1_710_532_800_000_000,
        source: "test".to_owned(),
        correlation_id: None,
        symbol: (0..5).rev().map(letter).collect(),
        alert_type: AlertType::VolumeSpike,
        score: 0.9,
        message: "volume".to_owned(),
        source_scanner: "volume".to_owned(),
        metadata: [].into(),
    }
}

/// The record of a payload, in the partition of its symbol.
pub(crate) fn record(symbol: &str, partitions: i32, payload: Vec<u8>) -> OutRecord {
    OutRecord::new(Topic::AlertRaised, partition_for(symbol.as_bytes(), partitions), symbol, payload)
}

/// Produces all of them, acknowledged.
pub(crate) fn produce(kafka: &KafkaConfig, records: Vec<OutRecord>) {
    let producer = BatchProducer::new(kafka, ProducerLimits::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for answer in runtime.block_on(producer.produce(records)) {
        answer.unwrap();
    }
}

/// How often each symbol is asked for, once `count` are or the limit is over.
pub(crate) fn asked_symbols(kafka: &KafkaConfig, count: usize, limit: Duration) -> BTreeMap<Symbol, u32> {
    /// Whatever the registry calls it, requests are written with our schema.
    struct Ours;
    impl WriterSchemas for Ours {
        fn writer(&self, _: u32) -> Result<std::sync::Arc<apache_avro::Schema>, WriterError> {
            Ok(std::sync::Arc::new(schema::<FeatureRequest>().clone()))
        }
    }
    let (codec, deadline) = (Codec::new(), Instant::now() + limit);
    loop {
        let topics = [Topic::BatchRequested, Topic::BatchUrgent];
        let mut asked = BTreeMap::new();
        for record in TopicReader::read_all(kafka, &topics, Duration::from_secs(30)).unwrap() {
            let request: FeatureRequest = codec.decode(record.payload.as_deref(), &Ours).unwrap();
            for symbol in request.symbols {
                *asked.entry(Symbol::parse(&symbol.symbol).unwrap()).or_insert(0) += 1;
            }
        }
        if asked.len() >= count || Instant::now() >= deadline {
            return asked;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
