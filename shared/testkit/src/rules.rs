//! The simulated rules: small, but with every case that makes delivery hard.
//!
//! They keep the records that they processed (processing one twice loses it), collect records into one output, hold records for a
//! worker that completes them in any order, produce chunks on behalf of held ones, and reject. The plan of a record follows from
//! the record alone, so every instance decides the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use crate::origination::{Origination, Originators};
use crate::output::{Kind, Output};

/// Number of records that are collected into one output.
const COLLECTED: usize = 3;
/// Longest duration of a collection.
const COLLECTED_FOR: Duration = Duration::from_millis(40);
/// Number of records that may be queued for the worker. Then the topic is full, until half of them are left.
const WORK_MAX: usize = 8;

/// The way in which a record is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Dropped.
    Drop,
    /// This many outputs at once.
    Emit(u8),
    /// A dead letter at once.
    Reject,
    /// One output together with others of its key, in order.
    Collect,
    /// Held for the worker, then this many outputs.
    Work(u8),
    /// Held for the worker, then dropped.
    WorkDrop,
    /// Held for the worker, then a dead letter.
    WorkReject,
    /// Held for the worker, which produces this many chunks on its behalf before it completes.
    WorkChunks(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Unique; increases along each partition.
    pub id: u64,
    /// Order is kept by key.
    pub key: u64,
    pub plan: Plan,
    /// The rules fail at this delivery.
    pub fails: bool,
    /// The rules defer this delivery.
    pub defers: bool,
}

/// Work on one record, as the worker has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    pub id: RecordId,
    pub record: Record,
    /// Chunks produced so far.
    pub chunks: u8,
}

#[derive(Debug, Clone)]
struct Waiting {
    work: Work,
    started: bool,
}

#[derive(Debug, Clone)]
struct Collection {
    ids: Vec<RecordId>,
    of: Vec<u64>,
    since: Duration,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    epoch: Option<Epoch>,
    processed: u64,
    processed_ids: BTreeSet<u64>,
    collected: BTreeMap<u64, Collection>,
    waiting: Vec<Waiting>,
    /// Released records, whose work is not reported to the engine.
    released: BTreeSet<RecordId>,
}

#[derive(Debug, Clone)]
pub struct Rules {
    partitions: BTreeMap<InputPartition, Partition>,
    work_full: bool,
    /// Records of a partition are worked on one by one.
    in_order: bool,
    originators: Originators,
}

impl Rules {
    /// Creates rules whose worker completes records in any order, or in that of their partition.
    #[must_use]
    pub fn new(in_order: bool) -> Self {
        let originators = Originators::new(Origination::Nothing);
        Self { partitions: BTreeMap::new(), work_full: false, in_order, originators }
    }

    /// Originates outputs in this way.
    #[must_use]
    pub fn originating(self, how: Origination) -> Self {
        Self { originators: Originators::new(how), ..self }
    }

    /// Restores the number of originated outputs of a partition that is assigned next.
    pub(crate) fn restore(&mut self, input: InputPartition, originated: u64) {
        self.originators.restore(input, originated);
    }

    /// Adds the state of their partition to outputs.
    fn with_state(&self, input: InputPartition, mut outputs: Vec<Output>) -> Vec<Output> {
        for output in &mut outputs {
            output.state = self.originators.state(input);
        }
        outputs
    }

    /// Returns the number of records processed in the partition's last epoch.
    #[must_use]
    pub fn processed(&self, input: InputPartition) -> u64 {
        self.partitions.get(&input).map_or(0, |partition| partition.processed)
    }

    /// Returns the number of records held in the partition's last epoch.
    #[must_use]
    pub fn holds(&self, input: InputPartition) -> usize {
        let Some(partition) = self.partitions.get(&input) else { return 0 };
        let collected = partition.collected.values().flat_map(|collection| &collection.ids);
        let waiting = partition.waiting.iter().map(|waiting| &waiting.work.id);
        collected.chain(waiting).filter(|id| Some(id.epoch) == partition.epoch).count()
    }

    /// Returns the work that the worker could start.
    #[must_use]
    pub fn startable(&self) -> Vec<Work> {
        let in_order = self.in_order;
        let of_partition = |partition: &'_ Partition| -> Vec<Work> {
            let waiting = partition.waiting.iter().take(if in_order { 1 } else { usize::MAX });
            waiting.filter(|waiting| !waiting.started).map(|waiting| waiting.work).collect()
        };
        self.partitions.values().flat_map(of_partition).collect()
    }

    /// Marks work as started.
    pub fn start(&mut self, work: Work) {
        if let Some(waiting) = self.find(work.id) {
            waiting.started = true;
        }
    }

    fn find(&mut self, id: RecordId) -> Option<&mut Waiting> {
        let partition = self.partitions.get_mut(&id.input)?;
        partition.waiting.iter_mut().find(|waiting| waiting.work.id == id)
    }

    /// Releases work of the second topic that is not started: all of it if order is kept, else some.
    fn release(&mut self, input: InputPartition) -> Vec<RecordId> {
        let in_order = self.in_order;
        let Some(partition) = self.partitions.get_mut(&input) else { return Vec::new() };
        let gives = |waiting: &mut Waiting| {
            let id = waiting.work.id;
            input.topic == 1 && !waiting.started && (in_order || id.offset % 3 != 0)
        };
        let ids: Vec<RecordId> = partition.waiting.extract_if(.., gives).map(|w| w.work.id).collect();
        partition.released.extend(&ids);
        ids
    }

    fn collect(&mut self, id: RecordId, record: Record, now: Now, effects: &mut Effects<Output>) {
        let Some(partition) = self.partitions.get_mut(&id.input) else { return };
        let open = || Collection { ids: Vec::new(), of: Vec::new(), since: now.monotonic };
        let collection = partition.collected.entry(record.key).or_insert_with(open);
        collection.ids.push(id);
        collection.of.push(record.id);
        if collection.ids.len() >= COLLECTED
            && let Some(collection) = partition.collected.remove(&record.key)
        {
            effects.push(collection.emitted(record.key));
        }
    }

    fn flush(
        &mut self,
        input: InputPartition,
        due: impl Fn(&Collection) -> bool,
        effects: &mut Effects<Output>,
    ) {
        if let Some(partition) = self.partitions.get_mut(&input) {
            for (key, collection) in partition.collected.extract_if(.., |_, collection| due(collection)) {
                effects.push(collection.emitted(key));
            }
        }
    }
}

impl Collection {
    fn emitted(self, key: u64) -> Effect<Output> {
        let urgent = self.of.iter().any(|id| id % 7 == 0);
        let input = self.ids.first().map_or(InputPartition { topic: 0, partition: 0 }, |id| id.input);
        let outputs = vec![Output { input, of: self.of, key, kind: Kind::Result, part: 0, state: None }];
        Effect::Emit { ids: self.ids, outputs, urgent }
    }
}

fn outputs(input: InputPartition, record: Record, kind: Kind, parts: std::ops::Range<u8>) -> Vec<Output> {
    parts
        .map(|part| Output { input, of: vec![record.id], key: record.key, kind, part, state: None })
        .collect()
}

fn dead_letter(input: InputPartition, record: Record) -> Output {
    Output { input, of: vec![record.id], key: record.key, kind: Kind::DeadLetter, part: 0, state: None }
}

impl Stage for Rules {
    type Record<'a> = Record;
    type Output = Output;
    type Completion = Work;

    fn assigned(&mut self, input: InputPartition, epoch: Epoch, _now: Now) {
        self.originators.assigned(input, epoch);
        self.partitions.insert(input, Partition::default());
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.originators.unassigned(input);
        self.partitions.remove(&input);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: Record,
        now: Now,
        effects: &mut Effects<Output>,
    ) -> Verdict<Output> {
        if record.fails {
            return Verdict::Fail(format!("record {} cannot be processed now", record.id));
        }
        if record.defers {
            return Verdict::Defer(format!("record {} cannot be processed now", record.id));
        }
        let Some(partition) = self.partitions.get_mut(&id.input) else {
            return Verdict::Fail(format!("record {} of a partition that was never assigned", record.id));
        };
        if partition.epoch.replace(id.epoch) != Some(id.epoch) {
            partition.processed = 0;
        }
        partition.processed += 1;
        if !partition.processed_ids.insert(record.id) {
            return Verdict::Drop(Reason("processed_ids"));
        }
        match record.plan {
            Plan::Drop => Verdict::Drop(Reason("unwanted")),
            Plan::Emit(parts) => Verdict::Emit(outputs(id.input, record, Kind::Result, 0..parts)),
            Plan::Reject => Verdict::Reject(dead_letter(id.input, record)),
            Plan::Collect => {
                self.collect(id, record, now, effects);
                Verdict::Hold
            }
            Plan::Work(_) | Plan::WorkDrop | Plan::WorkReject | Plan::WorkChunks(_) => {
                partition.waiting.push(Waiting { work: Work { id, record, chunks: 0 }, started: false });
                Verdict::Hold
            }
        }
    }

    fn completed(&mut self, work: Work, _now: Now, effects: &mut Effects<Output>) {
        let Work { id, record, chunks } = work;
        if self.partitions.get(&id.input).is_some_and(|partition| partition.released.contains(&id)) {
            return;
        }
        if let Plan::WorkChunks(all) = record.plan
            && chunks < all
        {
            let chunk = outputs(id.input, record, Kind::Chunk, chunks..chunks + 1);
            let outputs = self.with_state(id.input, chunk);
            effects.push(Effect::Append { on_behalf_of: id, outputs });
            if let Some(waiting) = self.find(id) {
                *waiting = Waiting { work: Work { chunks: chunks + 1, ..work }, started: false };
            }
            return;
        }
        if let Some(partition) = self.partitions.get_mut(&id.input) {
            partition.waiting.retain(|waiting| waiting.work.id != id);
        }
        // Also for records that are not held any more: the engine discards work of an older assignment.
        effects.push(match record.plan {
            Plan::WorkDrop => Effect::Drop { id, reason: Reason("pointless") },
            Plan::WorkReject => Effect::Reject { id, dead_letter: dead_letter(id.input, record) },
            Plan::Work(parts) => {
                let outputs = self.with_state(id.input, outputs(id.input, record, Kind::Result, 0..parts));
                Effect::Emit { ids: vec![id], outputs, urgent: false }
            }
            _ => {
                let outputs = outputs(id.input, record, Kind::Result, 0..1);
                Effect::Emit { ids: vec![id], outputs, urgent: false }
            }
        });
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<Output>) {
        let inputs: Vec<InputPartition> = self.partitions.keys().copied().collect();
        for input in inputs {
            self.flush(input, |collection| now.monotonic >= collection.since + COLLECTED_FOR, effects);
        }
        self.originators.tick(now, effects);
        let waiting: usize = self.partitions.values().map(|partition| partition.waiting.len()).sum();
        self.work_full = waiting > if self.work_full { WORK_MAX / 2 } else { WORK_MAX };
    }

    fn drain(&mut self, inputs: &[InputPartition], _now: Now, effects: &mut Effects<Output>) {
        for input in inputs {
            self.flush(*input, |_| true, effects);
            let ids = self.release(*input);
            if !ids.is_empty() {
                effects.push(Effect::Release { ids });
            }
        }
    }

    fn is_full(&self, _topic: u16) -> bool {
        self.work_full
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        let open = self.partitions.values().flat_map(|partition| partition.collected.values());
        let due =
            open.map(|collection| (collection.since + COLLECTED_FOR).saturating_sub(now.monotonic)).min();
        [due, self.originators.next_wake(now)].into_iter().flatten().min()
    }
}
