//! The input: alerts as scanners write them, encoded by the contract's codec.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use contracts::{Alert, Topic, ids};
use domain::AlertType;
use kafka_io::{KafkaConfig, admin};
use testkit::OwnSchemas;

use crate::error::Error;
use crate::sender::Sender;

/// The input and output topics.
pub(crate) const TOPICS: &[Topic] =
    &[Topic::AlertRaised, Topic::BatchRequested, Topic::BatchUrgent, Topic::ScannerBridgeDeadLetter];

/// 2026-01-02T14:30:00Z, the event time of the first alert.
pub(crate) const FIRST_MICROS: i64 = 1_767_364_200_000_000;

const REALISTIC_SYMBOLS: u64 = 10_000;

/// The time between two alerts of a symbol.
const REALISTIC_INTERVAL_MICROS: i64 = 40_000_000;

/// The time between two alerts: all 3,000,000 of the longest run are in one dedup window.
const GROWING_INTERVAL_MICROS: i64 = 10;

/// The symbols and event times of the alerts. Both decide what an alert costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Input {
    /// 10,000 symbols, each with an alert every 40 s: every second one is inside its window of 60 s.
    Realistic,
    /// Every alert has a new symbol, and no window ends.
    Growing,
}

impl Input {
    /// Returns the alert with this number.
    pub(crate) fn alert(self, number: u64) -> Alert {
        let micros = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (symbol, since_first) = match self {
            Self::Realistic => {
                let (round, symbol) = (number / REALISTIC_SYMBOLS, number % REALISTIC_SYMBOLS);
                let step = REALISTIC_INTERVAL_MICROS / micros(REALISTIC_SYMBOLS);
                (symbol, micros(round) * REALISTIC_INTERVAL_MICROS + micros(symbol) * step)
            }
            Self::Growing => (number, micros(number) * GROWING_INTERVAL_MICROS),
        };
        alert(number, symbol, FIRST_MICROS + since_first)
    }
}

/// Creates the topics if they do not exist, and produces the alerts with these numbers.
pub(crate) fn fill(brokers: &str, input: Input, numbers: Range<u64>) -> Result<(), Error> {
    let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(admin::topics_apply(&config, TOPICS, 1))?;
    let mut sender = alert_sender(brokers)?;
    for number in numbers {
        sender.send(&input.alert(number))?;
    }
    sender.flush()
}

/// A producer of alerts that happen now.
pub(crate) struct Source(Sender);

impl Source {
    pub(crate) fn new(brokers: &str) -> Result<Self, Error> {
        alert_sender(brokers).map(Self)
    }

    /// Queues alert `number` for the symbol with this number; waits while the queue is full.
    pub(crate) fn send(&mut self, number: u64, symbol: u64) -> Result<(), Error> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.send(&alert(number, symbol, i64::try_from(since.as_micros()).unwrap_or(0)))
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.0.flush()
    }
}

fn alert_sender(brokers: &str) -> Result<Sender, Error> {
    Sender::new(brokers, OwnSchemas::ids()[&Topic::AlertRaised])
}

fn alert(number: u64, symbol: u64, occurred_at: i64) -> Alert {
    Alert {
        event_id: ids::event_id(),
        occurred_at,
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
