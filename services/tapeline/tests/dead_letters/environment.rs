//! An embedded broker with dead letters, and the command as a process.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use contracts::Topic;
use devstack::broker::EmbeddedBroker;
use kafka_io::dead_letter::{self, Cause};
use kafka_io::{
    BatchProducer, Headers, InRecord, KafkaConfig, OutRecord, OwnedRecord, ProducerLimits, TopicReader,
};
use pipeline::Epoch;

/// An unreachable registry.
const NO_REGISTRY: [&str; 2] = ["--registry", "http://127.0.0.1:1"];

pub(crate) struct TestBroker {
    broker: EmbeddedBroker,
    pub(crate) kafka: KafkaConfig,
}

/// Exit code and output of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl TestBroker {
    pub(crate) fn start() -> Self {
        let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
        let broker = EmbeddedBroker::start(&topics).unwrap();
        let kafka = KafkaConfig::embedded(&broker.bootstrap());
        Self { broker, kafka }
    }

    /// Writes these dead letters.
    pub(crate) fn write(&self, dead_letters: &[OutRecord]) {
        let producer = BatchProducer::new(&self.kafka, ProducerLimits::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(producer.produce(dead_letters.to_vec())) {
            result.unwrap();
        }
    }

    pub(crate) fn read(&self, topic: Topic) -> Vec<OwnedRecord> {
        TopicReader::read_all(&self.kafka, &[topic], Duration::from_secs(20)).unwrap()
    }

    /// Returns the command `tapeline dead-letters …` on this broker.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
        command.arg("dead-letters").args(arguments.split_whitespace());
        command.args(["--brokers", &self.broker.bootstrap()]).args(NO_REGISTRY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> CommandOutput {
        CommandOutput::of(self.command(arguments).output().unwrap())
    }
}

impl CommandOutput {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Returns its standard output. Panics unless it exited with this code.
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.out
    }
}

/// Returns the dead letter of a record of this topic in partition 3, which was dead-lettered `times` times before.
pub(crate) fn dead_letter_of(topic: Topic, class: &'static str, payload: &[u8], times: u32) -> OutRecord {
    let mut headers = vec![("custom".to_owned(), vec![0, 255]), ("custom".to_owned(), b"again".to_vec())];
    if times > 0 {
        headers.push((dead_letter::GENERATION.to_owned(), times.to_string().into_bytes()));
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
    let cause = Cause { class, error: "test error", attempts: 1, service: "scanner-bridge" };
    dead_letter::of(&record, Topic::ScannerBridgeDeadLetter, 12, cause)
}
