//! A stage whose input records are commands.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::Topic;
use kafka_io::{
    Bound, InRecord, KafkaStage, OutRecord, Restore, TableRecord, TableScope, Unavailable, dead_letter,
};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use super::PARTITIONS;

/// Held records at which the stage is full.
pub(crate) const HELD_MAX: usize = 600;

/// A stage that executes its input records as commands:
///
/// | command | verdict |
/// |---|---|
/// | `emit …` | emit |
/// | `drop` | drop |
/// | `hold …` | hold; emit when completed |
/// | `fail` | fail |
/// | `count …` | emit, with the number of restored records of its partition |
/// | `later …` | emit; defer while the registry is unavailable |
/// | `need …` | hold; emit with the number of records of its partition's table, when that has reached its end |
/// | `market …` | the same for all global tables |
/// | anything else | reject |
pub(crate) struct ScriptedStage {
    pub(crate) tables: Vec<Topic>,
    pub(crate) globals: BTreeSet<(Topic, i32)>,
    pub(crate) restores: Vec<Restore>,
    /// While set, `unavailable` in a table or an output cannot be decoded, and `later` is deferred.
    pub(crate) registry_unavailable: Arc<AtomicBool>,
    /// Partitions whose restoration was cancelled.
    pub(crate) cancelled: Arc<AtomicUsize>,
    pub(crate) to_workers: SyncSender<(RecordId, String)>,
    table: BTreeMap<TableKey, Table>,
    restored: BTreeMap<i32, usize>,
    was_full: Cell<bool>,
    /// How often the stage became full.
    pub(crate) fills: Arc<AtomicUsize>,
    needs: VecDeque<Need>,
    held: Vec<RecordId>,
    pub(super) drains: Arc<AtomicUsize>,
    /// Outputs to originate on the next tick, by partition.
    pub(crate) to_originate: Arc<Mutex<Vec<(i32, String)>>>,
    epochs: BTreeMap<InputPartition, Epoch>,
    /// The table partitions that are loaded, with the number of their records at that time.
    pub(crate) loaded: Arc<Mutex<Vec<(i32, usize)>>>,
}

type TableKey = (TableScope, i32);

type Need = (RecordId, Vec<(TableKey, i64)>, String);

#[derive(Default)]
struct Table {
    records: usize,
    position: i64,
    end: i64,
}

impl ScriptedStage {
    fn readable(&self, record: &InRecord<'_>) -> Result<(), Unavailable> {
        match record.payload == Some(b"unavailable") && self.registry_unavailable.load(Ordering::Relaxed) {
            true => Err(Unavailable("requested".to_owned())),
            false => Ok(()),
        }
    }

    fn output(partition: i32, text: String) -> OutRecord {
        OutRecord::new(Topic::VectorComputed, partition, "key", text.into_bytes())
    }
}

impl Stage for ScriptedStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = (RecordId, String);

    fn assigned(&mut self, input: InputPartition, epoch: Epoch, _: Now) {
        self.epochs.insert(input, epoch);
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.epochs.remove(&input);
        self.held.retain(|id| id.input != input);
        self.needs.retain(|(id, _, _)| id.input != input);
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
        match text.split(' ').next() {
            Some("emit") => Verdict::Emit(vec![Self::output(record.partition, text)]),
            Some("count") => {
                let restored = self.restored.get(&record.partition).copied().unwrap_or(0);
                Verdict::Emit(vec![Self::output(record.partition, format!("{text}: {restored}"))])
            }
            Some("later") if self.registry_unavailable.load(Ordering::Relaxed) => {
                Verdict::Defer("requested".to_owned())
            }
            Some("later") => Verdict::Emit(vec![Self::output(record.partition, text)]),
            Some("drop") => Verdict::Drop(Reason("requested")),
            Some("hold") => {
                self.held.push(id);
                self.to_workers.send((id, text)).unwrap();
                Verdict::Hold
            }
            Some("need" | "market") => {
                let is_needed = |(scope, partition): &TableKey| match text.starts_with("market") {
                    true => *scope == TableScope::Global,
                    false => *scope == TableScope::CoPartitioned && *partition == record.partition,
                };
                let tables = self.table.iter().filter(|(key, _)| is_needed(key));
                self.needs.push_back((id, tables.map(|(key, table)| (*key, table.end)).collect(), text));
                Verdict::Hold
            }
            Some("fail") => Verdict::Fail("requested".to_owned()),
            _ => {
                let cause = dead_letter::Cause {
                    class: "unknown",
                    error: "unknown command",
                    attempts: 1,
                    service: "test",
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
        let epochs = &self.epochs;
        let is_owned = |input: &mut (i32, String)| epochs.contains_key(&work_input(input.0));
        for (partition, text) in self.to_originate.lock().unwrap().extract_if(.., is_owned) {
            let input = work_input(partition);
            let outputs = vec![Self::output(partition, text)];
            effects.push(Effect::Originate { input, epoch: epochs[&input], outputs });
        }
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
        let is_full = self.held.len() >= HELD_MAX;
        if is_full && !self.was_full.get() {
            self.fills.fetch_add(1, Ordering::Relaxed);
        }
        self.was_full.set(is_full);
        is_full
    }

    fn next_wake(&self, _: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for ScriptedStage {
    fn tables(&self) -> &[Topic] {
        &self.tables
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        self.globals.clone()
    }

    fn table_record(&mut self, scope: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.readable(record)?;
        if record.payload == Some(b"bad") {
            return Ok(TableRecord::Skipped);
        }
        self.table.entry((scope, record.partition)).or_default().records += 1;
        Ok(TableRecord::Taken)
    }

    fn table_position(&mut self, scope: TableScope, _: Topic, partition: i32, position: i64) {
        self.table.entry((scope, partition)).or_default().position = position;
    }

    fn table_loaded(&mut self, scope: TableScope, _: Topic, partition: i32) {
        let records = self.table.get(&(scope, partition)).map_or(0, |table| table.records);
        self.loaded.lock().unwrap().push((partition, records));
    }

    fn table_end(&mut self, scope: TableScope, _: Topic, partition: i32, end: i64) {
        self.table.entry((scope, partition)).or_default().end = end;
    }

    fn bounds(&self) -> Vec<Bound> {
        vec![Bound { name: "scripted", used: self.held.len() as u64, limit: HELD_MAX as u64 }]
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
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    fn table_released(&mut self, _: Topic, partition: i32) {
        self.table.remove(&(TableScope::CoPartitioned, partition));
    }
}

fn work_input(partition: i32) -> InputPartition {
    InputPartition { topic: 0, partition }
}

/// Creates a stage without workers.
pub(crate) fn stage() -> ScriptedStage {
    stage_with(std::sync::mpsc::sync_channel(1).0)
}

pub(super) fn stage_with(to_workers: SyncSender<(RecordId, String)>) -> ScriptedStage {
    ScriptedStage {
        tables: Vec::new(),
        globals: BTreeSet::new(),
        restores: Vec::new(),
        registry_unavailable: Arc::default(),
        to_workers,
        table: BTreeMap::new(),
        restored: BTreeMap::new(),
        cancelled: Arc::default(),
        was_full: Cell::default(),
        fills: Arc::default(),
        needs: VecDeque::new(),
        held: Vec::new(),
        drains: Arc::default(),
        to_originate: Arc::default(),
        epochs: BTreeMap::new(),
        loaded: Arc::default(),
    }
}
