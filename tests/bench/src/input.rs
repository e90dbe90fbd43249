//! The input: alerts as scanners write them, encoded by the contract's codec.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use contracts::{Alert, Topic, ids};
use domain::AlertType;
use kafka_io::{KafkaConfig, admin};
use testkit::OwnSchemas;

use crate::error::Error;
use crate::sender::Sender;

/// The input and output topics.
pub(crate) const TOPICS: &[Topic] =
    &[Topic::AlertRaised, Topic::BatchRequested, Topic::BatchUrgent, Topic::ScannerBridgeDeadLetter];

/// Creates the topics and produces `records` alerts with numbers from 0, each symbol twice within its window, so that the bridge emits
/// one of two.
pub(crate) fn fill(brokers: &str, records: u64) -> Result<(), Error> {
    let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(admin::topics_apply(&config, TOPICS, 1))?;
    let mut source = Source::new(brokers)?;
    for number in 0..records {
        source.send(number, number % records.div_ceil(2))?;
    }
    source.flush()
}

/// A producer of numbered alerts.
pub(crate) struct Source(Sender);

impl Source {
    pub(crate) fn new(brokers: &str) -> Result<Self, Error> {
        Sender::new(brokers, OwnSchemas::ids()[&Topic::AlertRaised]).map(Self)
    }

    /// Queues alert `number` for the symbol with this number; waits while the queue is full.
    pub(crate) fn send(&mut self, number: u64, symbol: u64) -> Result<(), Error> {
        self.0.send(&alert(number, symbol))
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.0.flush()
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
pub(crate) fn symbol_of(mut number: u64) -> String {
    let mut text = [b'A'; 5];
    for character in text.iter_mut().rev() {
        *character = b'A' + u8::try_from(number % 26).unwrap_or(0);
        number /= 26;
    }
    String::from_utf8_lossy(&text).into_owned()
}
