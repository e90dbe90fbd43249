//! A broker with dead letters, and the command.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use contracts::Topic;
use devstack::broker::EmbeddedBroker;
use kafka_io::dead_letter::{self, Cause};
use kafka_io::{
    BatchProducer, Headers, InRecord, KafkaConfig, OutRecord, OwnedRecord, ProducerLimits, TopicReader,
};
use pipeline::Epoch;

/// A registry that nobody asks.
const NO_REGISTRY: [&str; 2] = ["--registry", "http://127.0.0.1:1"];

pub(crate) struct Desk {
    broker: EmbeddedBroker,
    pub(crate) kafka: KafkaConfig,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn start() -> Self {
        let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
        let broker = EmbeddedBroker::start(&topics).unwrap();
        let kafka = KafkaConfig::embedded(&broker.bootstrap());
        Self { broker, kafka }
    }

    /// Writes these letters.
    pub(crate) fn bury(&self, letters: &[OutRecord]) {
        let producer = BatchProducer::new(&self.kafka, ProducerLimits::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for answer in runtime.block_on(producer.produce(letters.to_vec())) {
            answer.unwrap();
        }
    }

    pub(crate) fn read(&self, topic: Topic) -> Vec<OwnedRecord> {
        TopicReader::read_all(&self.kafka, &[topic], Duration::from_secs(20)).unwrap()
    }

    /// `tapeline dead-letters …` on this broker.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
        command.arg("dead-letters").args(arguments.split_whitespace());
        command.args(["--brokers", &self.broker.bootstrap()]).args(NO_REGISTRY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// What it printed, if it ended so.
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.out
    }
}

/// The letter of a record of this topic in partition 3, which died `deaths` times before.
pub(crate) fn letter(topic: Topic, class: &'static str, payload: &[u8], deaths: u32) -> OutRecord {
    let mut headers = vec![("mine".to_owned(), vec![0, 255]), ("mine".to_owned(), b"again".to_vec())];
    if deaths > 0 {
        headers.push((dead_letter::GENERATION.to_owned(), deaths.to_string().into_bytes()));
    }
    let record = InRecord {
        topic,
        partition: 3,
        offset: 99,
        timestamp_ms: 1_720_641_600_000,
        key: Some(b"AAPL"),
        payload: Some(payload),
        epoch: Some(Epoch(4)),
        traceparent: None,
        headers: Headers::listed(&headers),
    };
    let cause = Cause { class, error: "it would not do", attempts: 1, service: "scanner-bridge" };
    dead_letter::of(&record, Topic::ScannerBridgeDeadLetter, 12, cause)
}
