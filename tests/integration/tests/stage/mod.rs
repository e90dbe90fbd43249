//! A test stage on a real broker: its input records contain their verdicts. The driver runs on a thread.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part; a failed step fails the test"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use contracts::Topic;
use integration::{Broker, wait_until};
use kafka_io::{
    BatchProducer, Completions, Driver, DriverError, DriverOptions, GroupQuery, Hooks, InRecord, KafkaConfig,
    KafkaStage, OutRecord, ProducerLimits, Restore, Shutdown, StageCounts, TableRecord, TableScope,
    TopicReader, Unavailable, admin, completions,
};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Stop, Verdict};
use tempfile::TempDir;

pub(crate) const PARTITIONS: i32 = 4;
pub(crate) const IN: Topic = Topic::AlertRaised;
pub(crate) const OUT: Topic = Topic::VectorComputed;

/// Five times the duration of the slowest step during a build.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// One broker with the topics of the contract.
pub(crate) struct Cluster {
    pub(crate) broker: Broker,
    pub(crate) config: KafkaConfig,
    producer: BatchProducer,
    _folder: TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = TempDir::with_prefix("tapeline-").unwrap();
        let broker = Broker::start(folder.path()).unwrap();
        let address = broker.address();
        Self::over(folder, broker, &address)
    }

    /// Starts a broker that advertises this port, where a proxy listens.
    pub(crate) fn through_proxy(port: u16) -> Self {
        let folder = TempDir::with_prefix("tapeline-").unwrap();
        let advertised = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}");
        let broker = Broker::start_with(folder.path(), vec![advertised]).unwrap();
        Self::over(folder, broker, &format!("127.0.0.1:{port}"))
    }

    fn over(folder: TempDir, broker: Broker, address: &str) -> Self {
        let config = KafkaConfig {
            brokers: address.to_owned(),
            partitions: PARTITIONS,
            session_timeout_ms: 6_000.into(),
            drain_budget_ms: 2_000.into(),
            ..KafkaConfig::default()
        };
        let producer = BatchProducer::new(&config, ProducerLimits::default()).unwrap();
        Self { broker, config, producer, _folder: folder }
    }

    /// Creates the topics; with a proxy only after that listens.
    pub(crate) fn with_topics(self) -> Self {
        runtime().block_on(admin::topics_apply(&self.config, &[IN, OUT, Topic::SymbolProposed], 1)).unwrap();
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self._folder.path()
    }

    /// Writes these payloads in order and waits until all of them are acknowledged.
    pub(crate) fn write(&self, topic: Topic, records: &[(i32, String)]) {
        let record = |(p, text): &(i32, String)| OutRecord::new(topic, *p, "key", text.as_bytes().to_vec());
        let records = records.iter().map(record).collect();
        for result in runtime().block_on(self.producer.produce(records)) {
            result.unwrap();
        }
    }

    /// Returns the committed records of a topic, ordered by partition and offset.
    pub(crate) fn texts(&self, topic: Topic) -> Vec<String> {
        let all = TopicReader::read_all(&self.config, &[topic], TIMEOUT).unwrap();
        all.into_iter().map(|record| String::from_utf8(record.payload.unwrap()).unwrap()).collect()
    }

    pub(crate) fn committed(&self, group: &str) -> Vec<Option<i64>> {
        let query = GroupQuery::new(&self.config, group).unwrap();
        query.committed(IN, PARTITIONS).unwrap().into_iter().map(|(_, offset)| offset).collect()
    }

    /// Returns the high watermarks of a topic's partitions.
    pub(crate) fn ends(&self, topic: Topic) -> Vec<i64> {
        let ends = kafka_io::ClusterQuery::new(&self.config).unwrap().watermarks(topic).unwrap();
        ends.iter().map(|ends| ends.high).collect()
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(wait_until(TIMEOUT, holds), "not within {TIMEOUT:?}: {what}");
}

/// Returns the payloads `order number`, spread over the partitions.
pub(crate) fn orders(order: &str, from: i32, to: i32) -> Vec<(i32, String)> {
    (from..to).map(|n| (n % PARTITIONS, format!("{order} {n:06}"))).collect()
}

/// A stage with the verdicts `emit …`, `drop …`, `hold …` (emitted when completed) and `count …` (emitted with the number of
/// restored records of its partition).
pub(crate) struct TestStage {
    pub(crate) restores: Vec<Restore>,
    pub(crate) output: Topic,
    /// A table, read from this time back.
    pub(crate) table: Option<(Topic, Duration)>,
    /// The payloads of its records.
    pub(crate) table_texts: Arc<Mutex<Vec<String>>>,
    to_workers: SyncSender<(RecordId, String)>,
    restored: BTreeMap<i32, usize>,
    held: Vec<RecordId>,
}

impl Stage for TestStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = (RecordId, String);

    fn assigned(&mut self, _: InputPartition, _: Epoch, _: Now) {}

    fn unassigned(&mut self, input: InputPartition) {
        self.held.retain(|id| id.input != input);
        self.restored.remove(&input.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let text = String::from_utf8(record.payload.unwrap().to_vec()).unwrap();
        let emit =
            |text: String| vec![OutRecord::new(self.output, record.partition, "key", text.into_bytes())];
        match text.split(' ').next().unwrap() {
            "emit" => Verdict::Emit(emit(text)),
            "drop" => Verdict::Drop(Reason("requested")),
            "count" => {
                let restored = self.restored.get(&record.partition).copied().unwrap_or(0);
                Verdict::Emit(emit(format!("{text}: {restored}")))
            }
            _ => {
                self.held.push(id);
                self.to_workers.send((id, text)).unwrap();
                Verdict::Hold
            }
        }
    }

    fn completed(&mut self, (id, text): (RecordId, String), _: Now, effects: &mut Effects<OutRecord>) {
        if self.held.contains(&id) {
            self.held.retain(|held| *held != id);
            let outputs = vec![OutRecord::new(self.output, id.input.partition, "key", text.into_bytes())];
            effects.push(Effect::Emit { ids: vec![id], outputs, urgent: false });
        }
    }

    fn tick(&mut self, _: Now, _: &mut Effects<OutRecord>) {}

    fn drain(&mut self, _: &[InputPartition], _: Now, _: &mut Effects<OutRecord>) {}

    fn is_full(&self, _: u16) -> bool {
        false
    }

    fn next_wake(&self, _: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for TestStage {
    fn tables(&self) -> &[Topic] {
        self.table.as_slice().first().map_or(&[], |(topic, _)| std::slice::from_ref(topic))
    }

    fn table_back(&self, _: Topic) -> Option<Duration> {
        self.table.map(|(_, back)| back)
    }

    fn table_record(&mut self, _: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.table_texts.lock().unwrap().push(String::from_utf8(record.payload.unwrap().to_vec()).unwrap());
        Ok(TableRecord::Taken)
    }

    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, _: Now) -> Result<(), Unavailable> {
        *self.restored.entry(record.partition).or_default() += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.restored.remove(&partition);
    }
}

/// The driver of a [`TestStage`] on its thread.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    pub(crate) counts: StageCounts,
    pub(crate) completions: Completions<(RecordId, String)>,
    pub(crate) work: Receiver<(RecordId, String)>,
    pub(crate) thread: JoinHandle<Result<Stop, DriverError>>,
}

impl Running {
    pub(crate) fn start(config: &KafkaConfig, group: &str) -> Self {
        Self::start_as(config, group, IN, Hooks::default(), |_| {})
    }

    pub(crate) fn start_as(
        config: &KafkaConfig,
        group: &str,
        input: Topic,
        hooks: Hooks,
        configure: impl FnOnce(&mut TestStage),
    ) -> Self {
        let (to_workers, work) = sync_channel(10_000);
        let (completions, completed) = completions(1_000);
        let mut stage = TestStage {
            restores: Vec::new(),
            output: OUT,
            table: None,
            table_texts: Arc::default(),
            to_workers,
            restored: BTreeMap::new(),
            held: Vec::new(),
        };
        configure(&mut stage);
        let options = DriverOptions {
            service: "test",
            stage: "test",
            group: group.to_owned(),
            inputs: vec![input],
            outputs: vec![stage.output],
            kafka: config.clone(),
            hooks,
        };
        let driver = Driver::new(stage, completed, options).unwrap();
        let (shutdown, counts) = (driver.shutdown(), driver.counts());
        let thread = std::thread::spawn(move || driver.run());
        Self { shutdown, counts, completions, work, thread }
    }

    pub(crate) fn ready(self) -> Self {
        eventually("the driver is ready", || self.counts.latest().ready || self.thread.is_finished());
        self
    }

    pub(crate) fn emitted(&self) -> u64 {
        self.counts.latest().counts.emitted
    }

    pub(crate) fn partitions(&self) -> usize {
        self.counts.latest().partitions
    }

    pub(crate) fn stop(self) -> Stop {
        self.shutdown.request();
        self.thread.join().unwrap().unwrap()
    }

    /// Waits for the error with which the driver ends.
    pub(crate) fn error(self) -> DriverError {
        self.thread.join().unwrap().unwrap_err()
    }
}
