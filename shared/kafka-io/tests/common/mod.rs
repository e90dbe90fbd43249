//! Test environment: a mock cluster, a stage whose input records are commands, and a driver on a thread of its own.
#![allow(dead_code, reason = "each test binary uses part of it")]

pub(crate) mod backlog;
pub(crate) mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{
    BatchProducer, Completions, Driver, DriverError, DriverOptions, GroupQuery, Hooks, KafkaConfig,
    OutRecord, OwnedRecord, ProducerLimits, Shutdown, StageCounts, TopicReader, client, completions,
};
use pipeline::{RecordId, Stop};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use self::stage::{ScriptedStage, stage_with};

pub(crate) const PARTITIONS: i32 = 12;
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A cluster with one mocked broker.
pub(crate) struct Mock {
    pub(crate) config: KafkaConfig,
    producer: BatchProducer,
    host: BaseProducer<client::LogContext>,
}

impl Mock {
    pub(crate) fn start() -> Self {
        let host = client::mock_host().unwrap();
        let config = {
            let cluster = host.client().mock_cluster().unwrap();
            for topic in Topic::ALL {
                cluster.create_topic(topic.name(), PARTITIONS, 1).unwrap();
            }
            KafkaConfig::embedded(&cluster.bootstrap_servers())
        };
        let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
        Self { config, producer, host }
    }

    /// Returns the controls of the mock cluster.
    pub(crate) fn cluster(&self) -> MockCluster<'_, client::LogContext> {
        self.host.client().mock_cluster().unwrap()
    }

    /// Writes these payloads in order and waits until all are acknowledged.
    pub(crate) fn write(&self, topic: Topic, records: &[(i32, &str)]) {
        let records = records
            .iter()
            .map(|(p, text)| OutRecord::new(topic, *p, "key", text.as_bytes().to_vec()))
            .collect();
        for written in runtime().block_on(self.producer.produce(records)) {
            written.unwrap();
        }
    }

    pub(crate) fn read(&self, topic: Topic) -> Vec<OwnedRecord> {
        TopicReader::read_all(&self.config, &[topic], TIMEOUT).unwrap()
    }

    pub(crate) fn texts(&self, topic: Topic) -> Vec<String> {
        self.read(topic).iter().map(text).collect()
    }

    pub(crate) fn committed(&self, group: &str, topic: Topic) -> Vec<Option<i64>> {
        let query = GroupQuery::new(&self.config, group).unwrap();
        query.committed(topic, PARTITIONS).unwrap().into_iter().map(|(_, offset)| offset).collect()
    }

    /// Sets the committed offset of a group.
    pub(crate) fn commit(&self, group: &str, topic: Topic, partition: i32, offset: i64) {
        self.commit_with(group, topic, partition, offset, "");
    }

    /// Sets the committed offset and the commit metadata of a group.
    #[expect(clippy::disallowed_methods, reason = "another program's client")]
    pub(crate) fn commit_with(&self, group: &str, topic: Topic, partition: i32, offset: i64, metadata: &str) {
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &self.config.brokers)
            .set("group.id", group)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic.name(), partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(metadata);
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }
}

pub(crate) fn text(record: &OwnedRecord) -> String {
    String::from_utf8(record.payload.clone().unwrap()).unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits until a condition holds; fails the test after [`TIMEOUT`].
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A driver of a [`ScriptedStage`] on a thread of its own.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    pub(crate) counts: StageCounts,
    pub(crate) completions: Completions<(RecordId, String)>,
    pub(crate) work: Receiver<(RecordId, String)>,
    pub(crate) thread: JoinHandle<Result<Stop, DriverError>>,
    drains: Arc<AtomicUsize>,
    iterations: Arc<AtomicU64>,
}

impl Running {
    pub(crate) fn start(config: &KafkaConfig, group: &str, tables: &[Topic]) -> Self {
        Self::start_with(config, group, tables, Hooks::default())
    }

    pub(crate) fn start_with(config: &KafkaConfig, group: &str, tables: &[Topic], hooks: Hooks) -> Self {
        Self::start_as(config, group, hooks, |stage| stage.tables = tables.to_vec())
    }

    pub(crate) fn start_as(
        config: &KafkaConfig,
        group: &str,
        mut hooks: Hooks,
        set_up: impl FnOnce(&mut ScriptedStage),
    ) -> Self {
        let (to_workers, work) = std::sync::mpsc::sync_channel(10_000);
        let (completions, completed) = completions(1_000);
        let mut stage = stage_with(to_workers);
        set_up(&mut stage);
        let drains = Arc::clone(&stage.drains);
        let iterations = Arc::new(AtomicU64::new(0));
        let (counted, mut heartbeat) = (Arc::clone(&iterations), hooks.heartbeat);
        hooks.heartbeat = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            heartbeat();
        });
        let options = DriverOptions {
            service: "test",
            stage: "test",
            group: group.to_owned(),
            inputs: vec![Topic::AlertRaised],
            outputs: vec![Topic::VectorComputed, Topic::FeatureDeadLetter],
            kafka: config.clone(),
            hooks,
        };
        let driver = Driver::new(stage, completed, options).unwrap();
        let (shutdown, counts) = (driver.shutdown(), driver.counts());
        let thread = std::thread::spawn(move || driver.run());
        Self { shutdown, counts, completions, work, thread, drains, iterations }
    }

    pub(crate) fn ready(self) -> Self {
        eventually("the driver is ready", || self.counts.latest().ready || self.thread.is_finished());
        self
    }

    /// Waits until the loop has run this many more iterations: proof that it is alive.
    pub(crate) fn iterate(&self, times: u64) {
        let target = self.iterations.load(Ordering::Relaxed) + times;
        eventually("the loop continues", || self.iterations.load(Ordering::Relaxed) >= target);
    }

    /// Whether a drain of the stage has begun.
    pub(crate) fn has_begun_drain(&self) -> bool {
        self.drains.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn stop(self) -> Stop {
        self.shutdown.request();
        self.thread.join().unwrap().unwrap()
    }
}
