//! The input: alerts as scanners write them, encoded by the contract's codec.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contracts::{Alert, Topic, encode, ids, partition_for};
use domain::AlertType;
use kafka_io::{KafkaConfig, admin};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use testkit::OwnSchemas;

use crate::driver::client;
use crate::error::Error;

/// The input and output topics.
pub(crate) const TOPICS: &[Topic] =
    &[Topic::AlertRaised, Topic::BatchRequested, Topic::BatchUrgent, Topic::ScannerBridgeDeadLetter];

/// Creates the topics and produces `records` alerts with numbers from 0, each symbol twice within its window, so that the bridge emits
/// one of two.
pub(crate) fn fill(brokers: &str, records: u64) -> Result<(), Error> {
    let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(admin::topics_apply(&config, TOPICS, 1))?;
    let source = Source::new(brokers)?;
    for number in 0..records {
        source.send(number, number % records.div_ceil(2))?;
    }
    source.flush()
}

/// A producer of alerts.
pub(crate) struct Source {
    producer: ThreadedProducer<DefaultProducerContext>,
    schema_id: u32,
    partitions: i32,
}

impl Source {
    pub(crate) fn new(brokers: &str) -> Result<Self, Error> {
        let producer = client(brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "200000")
            .create()?;
        let schema_id = OwnSchemas::ids()[&Topic::AlertRaised];
        Ok(Self { producer, schema_id, partitions: KafkaConfig::default().partitions })
    }

    /// Queues alert `number` for the symbol with this number; waits while the queue is full.
    pub(crate) fn send(&self, number: u64, symbol: u64) -> Result<(), Error> {
        let alert = alert(number, symbol);
        let mut payload = Vec::with_capacity(256);
        encode(&alert, self.schema_id, &mut payload)?;
        let partition = partition_for(alert.symbol.as_bytes(), self.partitions);
        let mut record = BaseRecord::to(Topic::AlertRaised.name())
            .partition(partition)
            .key(&alert.symbol)
            .payload(&payload);
        while let Err((error, rejected)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(rdkafka::types::RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(10));
            record = rejected;
        }
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }
}

fn alert(number: u64, symbol: u64) -> Alert {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Alert {
        event_id: ids::event_id(),
        occurred_at: i64::try_from(since.as_micros()).unwrap_or(0),
        source: "bench".to_owned(),
        correlation_id: None,
        symbol: symbol_of(symbol),
        alert_type: AlertType::VolumeSpike,
        score: 0.62,
        message: format!("volume 3.1 times its mean of 20 days, number {number}"),
        source_scanner: "volume-scanner".to_owned(),
        metadata: BTreeMap::from([
            ("ratio".to_owned(), "3.1".to_owned()),
            ("days".to_owned(), "20".to_owned()),
        ])
        .into_iter()
        .collect(),
    }
}

/// Returns a symbol of five characters; there are 11.8 million.
fn symbol_of(mut number: u64) -> String {
    let mut text = [b'A'; 5];
    for character in text.iter_mut().rev() {
        *character = b'A' + u8::try_from(number % 26).unwrap_or(0);
        number /= 26;
    }
    String::from_utf8_lossy(&text).into_owned()
}
