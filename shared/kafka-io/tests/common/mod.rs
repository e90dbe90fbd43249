//! A mock cluster, a stage whose rules are written in its input, and a driver on its thread.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{
    BatchProducer, Completions, Driver, DriverError, DriverOptions, GroupQuery, Hooks, InRecord, KafkaConfig,
    KafkaStage, OutRecord, OwnedRecord, ProducerLimits, Restore, Shutdown, StageCounts, TableRecord,
    TopicReader, Unavailable, client, completions, dead_letter,
};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Stop, Verdict};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

pub(crate) const PARTITIONS: i32 = 12;
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// So many held records fill a desk.
pub(crate) const FULL: usize = 600;

/// A cluster of one mocked broker.
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

    /// The cluster's own controls.
    pub(crate) fn cluster(&self) -> MockCluster<'_, client::LogContext> {
        self.host.client().mock_cluster().unwrap()
    }

    /// Writes these payloads, in order, and waits until all are acknowledged.
    pub(crate) fn write(&self, topic: Topic, records: &[(i32, &str)]) {
        let records = records
            .iter()
            .map(|(p, text)| OutRecord::new(topic, *p, "key", text.as_bytes().to_vec()))
            .collect();
        for answer in runtime().block_on(self.producer.produce(records)) {
            answer.unwrap();
        }
    }

    pub(crate) fn read(&self, topic: Topic) -> Vec<OwnedRecord> {
        TopicReader::read_all(&self.config, &[topic], PATIENCE).unwrap()
    }

    pub(crate) fn texts(&self, topic: Topic) -> Vec<String> {
        self.read(topic).iter().map(text).collect()
    }

    pub(crate) fn committed(&self, group: &str, topic: Topic) -> Vec<Option<i64>> {
        let inquirer = GroupQuery::new(&self.config, group).unwrap();
        inquirer.committed(topic, PARTITIONS).unwrap().into_iter().map(|(_, offset)| offset).collect()
    }

    /// Moves a group's offset, as an operator would.
    pub(crate) fn commit(&self, group: &str, topic: Topic, partition: i32, offset: i64) {
        self.commit_with(group, topic, partition, offset, "");
    }

    /// With a word beside it.
    #[expect(clippy::disallowed_methods, reason = "what a stranger's client does")]
    pub(crate) fn commit_with(&self, group: &str, topic: Topic, partition: i32, offset: i64, word: &str) {
        let consumer: BaseConsumer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", &self.config.brokers)
            .set("group.id", group)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic.name(), partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(word);
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }
}

/// A desk without workers.
pub(crate) fn desk() -> Desk {
    desk_with(&[], std::sync::mpsc::sync_channel(1).0)
}

fn desk_with(tables: &[Topic], to_workers: SyncSender<(RecordId, String)>) -> Desk {
    Desk {
        tables: tables.to_vec(),
        globals: BTreeSet::new(),
        restores: Vec::new(),
        away: Arc::default(),
        to_workers,
        table: BTreeMap::new(),
        restored: BTreeMap::new(),
        abandoned: Arc::default(),
        was_full: Cell::default(),
        fills: Arc::default(),
        needs: VecDeque::new(),
        held: Vec::new(),
        drains: Arc::default(),
    }
}

pub(crate) fn text(record: &OwnedRecord) -> String {
    String::from_utf8(record.payload.clone().unwrap()).unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits for something that is about to be so.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A stage that does what its input says: `emit …`, `drop`, `hold …` (emitted when completed), `bad`, `fail`, `count …` (emitted with the
/// number of restored records of its partition), `later …` (emitted, but deferred while the registry is away). With a table, `need …` is emitted, with the number of table records seen, once the table has reached its end; `market …` likewise of all its global tables.
pub(crate) struct Desk {
    pub(crate) tables: Vec<Topic>,
    pub(crate) globals: BTreeSet<(Topic, i32)>,
    pub(crate) restores: Vec<Restore>,
    /// While it says so, `unavailable` in a table or an output can't be read, and `later` not be judged.
    pub(crate) away: Arc<AtomicBool>,
    /// Partitions that went before they were restored.
    pub(crate) abandoned: Arc<AtomicUsize>,
    pub(crate) to_workers: SyncSender<(RecordId, String)>,
    table: BTreeMap<TableKey, Table>,
    restored: BTreeMap<i32, usize>,
    was_full: Cell<bool>,
    pub(crate) fills: Arc<AtomicUsize>,
    needs: VecDeque<Need>,
    held: Vec<RecordId>,
    drains: Arc<AtomicUsize>,
}

/// Whether it is global, and its partition.
type TableKey = (bool, i32);

type Need = (RecordId, Vec<(TableKey, i64)>, String);

#[derive(Default)]
struct Table {
    records: usize,
    position: i64,
    end: i64,
}

impl Desk {
    fn readable(&self, record: &InRecord<'_>) -> Result<(), Unavailable> {
        match record.payload == Some(b"unavailable") && self.away.load(Ordering::Relaxed) {
            true => Err(Unavailable("asked to".to_owned())),
            false => Ok(()),
        }
    }

    fn output(partition: i32, text: String) -> OutRecord {
        OutRecord::new(Topic::VectorComputed, partition, "key", text.into_bytes())
    }
}

impl Stage for Desk {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = (RecordId, String);

    fn assigned(&mut self, _: InputPartition, _: Epoch, _: Now) {}

    fn unassigned(&mut self, source: InputPartition) {
        self.held.retain(|id| id.input != source);
        self.needs.retain(|(id, _, _)| id.input != source);
        self.restored.remove(&source.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let text = String::from_utf8(record.payload.unwrap().to_vec()).unwrap();
        match text.split(' ').next() {
            Some("emit") => Verdict::Emit(vec![Self::output(record.partition, text)]),
            Some("count") => {
                let restored = self.restored.get(&record.partition).copied().unwrap_or(0);
                Verdict::Emit(vec![Self::output(record.partition, format!("{text}: {restored}"))])
            }
            Some("later") if self.away.load(Ordering::Relaxed) => Verdict::Defer("asked to".to_owned()),
            Some("later") => Verdict::Emit(vec![Self::output(record.partition, text)]),
            Some("drop") => Verdict::Drop(Reason("asked")),
            Some("hold") => {
                self.held.push(id);
                self.to_workers.send((id, text)).unwrap();
                Verdict::Hold
            }
            Some("need" | "market") => {
                let is_needed = |(global, partition): &TableKey| match text.starts_with("market") {
                    true => *global,
                    false => !global && *partition == record.partition,
                };
                let tables = self.table.iter().filter(|(key, _)| is_needed(key));
                self.needs.push_back((id, tables.map(|(key, table)| (*key, table.end)).collect(), text));
                Verdict::Hold
            }
            Some("fail") => Verdict::Fail("asked to".to_owned()),
            _ => {
                let cause = dead_letter::Cause {
                    class: "unknown",
                    error: "no such order",
                    attempts: 1,
                    service: "desk",
                };
                Verdict::Reject(dead_letter::of(&record, Topic::FeatureDeadLetter, PARTITIONS, cause))
            }
        }
    }

    fn completed(&mut self, (id, text): (RecordId, String), _: Now, effects: &mut Effects<OutRecord>) {
        if self.held.contains(&id) {
            self.held.retain(|held| *held != id);
            let outputs = vec![Self::output(id.input.partition, text)];
            effects.push(Effect::Emit { ids: vec![id], outputs, urgent: false });
        }
    }

    fn tick(&mut self, _: Now, effects: &mut Effects<OutRecord>) {
        let table = &self.table;
        let ready = |(_, needs, _): &Need| {
            needs.iter().all(|(key, end)| table.get(key).is_some_and(|table| table.position >= *end))
        };
        while let Some((id, needs, text)) = self.needs.pop_front_if(|need| ready(need)) {
            let records: usize = needs.iter().map(|(key, _)| self.table[key].records).sum();
            let outputs = vec![Self::output(id.input.partition, format!("{text}: {records}"))];
            effects.push(Effect::Emit { ids: vec![id], outputs, urgent: false });
        }
    }

    fn drain(&mut self, _: &[InputPartition], _: Now, _: &mut Effects<OutRecord>) {
        self.drains.fetch_add(1, Ordering::Relaxed);
    }

    fn is_full(&self, _: u16) -> bool {
        let full = self.held.len() >= FULL;
        if full && !self.was_full.get() {
            self.fills.fetch_add(1, Ordering::Relaxed);
        }
        self.was_full.set(full);
        full
    }

    fn next_wake(&self, _: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for Desk {
    fn tables(&self) -> &[Topic] {
        &self.tables
    }

    fn table_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.readable(record)?;
        if record.payload == Some(b"bad") {
            return Ok(TableRecord::Skipped);
        }
        self.table.entry((false, record.partition)).or_default().records += 1;
        Ok(TableRecord::Taken)
    }

    fn table_position(&mut self, _: Topic, partition: i32, position: i64) {
        self.table.entry((false, partition)).or_default().position = position;
    }

    fn table_end(&mut self, _: Topic, partition: i32, end: i64) {
        self.table.entry((false, partition)).or_default().end = end;
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        self.globals.clone()
    }

    fn global_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.readable(record)?;
        self.table.entry((true, record.partition)).or_default().records += 1;
        Ok(TableRecord::Taken)
    }

    fn global_position(&mut self, _: Topic, partition: i32, position: i64) {
        self.table.entry((true, partition)).or_default().position = position;
    }

    fn global_end(&mut self, _: Topic, partition: i32, end: i64) {
        self.table.entry((true, partition)).or_default().end = end;
    }

    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, _: Now) -> Result<(), Unavailable> {
        self.readable(record)?;
        *self.restored.entry(record.partition).or_default() += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.restored.remove(&partition);
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    fn table_released(&mut self, _: Topic, partition: i32) {
        self.table.remove(&(false, partition));
    }
}

/// A driver of a [`Desk`] on its thread.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    pub(crate) counts: StageCounts,
    pub(crate) completions: Completions<(RecordId, String)>,
    pub(crate) work: Receiver<(RecordId, String)>,
    pub(crate) thread: JoinHandle<Result<Stop, DriverError>>,
    drains: Arc<AtomicUsize>,
}

impl Running {
    pub(crate) fn start(config: &KafkaConfig, group: &str, tables: &[Topic]) -> Self {
        Self::start_with(config, group, tables, Hooks::default())
    }

    pub(crate) fn start_with(config: &KafkaConfig, group: &str, tables: &[Topic], hooks: Hooks) -> Self {
        Self::start_as(config, group, hooks, |desk| desk.tables = tables.to_vec())
    }

    pub(crate) fn start_as(
        config: &KafkaConfig,
        group: &str,
        hooks: Hooks,
        furnish: impl FnOnce(&mut Desk),
    ) -> Self {
        let (to_workers, work) = std::sync::mpsc::sync_channel(10_000);
        let (completions, completed) = completions(1_000);
        let mut desk = desk_with(&[], to_workers);
        furnish(&mut desk);
        let drains = Arc::clone(&desk.drains);
        let options = DriverOptions {
            service: "desk",
            stage: "desk",
            group: group.to_owned(),
            inputs: vec![Topic::AlertRaised],
            outputs: vec![Topic::VectorComputed, Topic::FeatureDeadLetter],
            kafka: config.clone(),
            hooks,
        };
        let driver = Driver::new(desk, completed, options).unwrap();
        let (shutdown, counts) = (driver.shutdown(), driver.counts());
        let thread = std::thread::spawn(move || driver.run());
        Self { shutdown, counts, completions, work, thread, drains }
    }

    pub(crate) fn ready(self) -> Self {
        eventually("the driver is ready", || self.counts.seen().ready || self.thread.is_finished());
        self
    }

    /// Whether its stage was asked to let go of something.
    pub(crate) fn is_asked_to_drain(&self) -> bool {
        self.drains.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn stop(self) -> Stop {
        self.shutdown.request();
        self.thread.join().unwrap().unwrap()
    }
}
