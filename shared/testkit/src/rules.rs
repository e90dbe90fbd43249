//! The rules under simulation: small, but with everything that makes delivery hard.
//!
//! They remember what they have seen (judging a record twice loses it), collect records into one output, hold records for a worker
//! that ends them in any order, produce chunks on behalf of held ones, and reject. What becomes of a record follows from the record
//! alone, so every instance would do the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

/// How many records are collected into one output.
const COLLECTED: usize = 3;
/// How long a collection stays open.
const COLLECTED_FOR: Duration = Duration::from_millis(40);
/// How many records may wait for the worker: then the topic is full, and until they are half as many.
const WORK_MAX: usize = 8;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Needs no output.
    Drop,
    /// This many outputs at once.
    Emit(u8),
    /// A dead letter at once.
    Reject,
    /// One output together with others of its key, in order.
    Collect,
    /// Held for the worker, then this many outputs.
    Work(u8),
    /// Held for the worker, then needs no output after all.
    WorkDrop,
    /// Held for the worker, then a dead letter.
    WorkReject,
    /// Held for the worker, which produces this many chunks on its behalf before it ends.
    WorkChunks(u8),
}

/// An input record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Rises along each partition; unique.
    pub id: u64,
    /// What order is kept by.
    pub key: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// The rules can't go on at this delivery of it.
    pub fails: bool,
    /// The rules can't judge this delivery of it.
    pub defers: bool,
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ends its records.
    Result,
    /// Part of the work on a record that goes on.
    Chunk,
    /// Ends its record as unprocessable.
    DeadLetter,
}

/// An output record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The partition whose records it comes from.
    pub input: InputPartition,
    /// The records that it comes from.
    pub of: Vec<u64>,
    /// Their key.
    pub key: u64,
    /// What it is.
    pub kind: Kind,
    /// Which of its record's outputs of this kind it is.
    pub part: u8,
}

/// Work on one record, in the hands of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// The record that is held for it.
    pub id: RecordId,
    /// The record itself.
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
    seen: BTreeSet<u64>,
    collected: BTreeMap<u64, Collection>,
    waiting: Vec<Waiting>,
    /// Given back: what a worker says of them is kept from the engine.
    released: BTreeSet<RecordId>,
}

/// The rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    partitions: BTreeMap<InputPartition, Partition>,
    work_full: bool,
    /// Records of a partition are worked on one after the other.
    in_order: bool,
}

impl Rules {
    /// Rules whose worker ends records in any order, or in that of their partition.
    #[must_use]
    pub fn new(in_order: bool) -> Self {
        Self { in_order, ..Self::default() }
    }

    /// Records taken in under the partition's last epoch.
    #[must_use]
    pub fn processed(&self, input: InputPartition) -> u64 {
        self.partitions.get(&input).map_or(0, |partition| partition.processed)
    }

    /// Records of the partition's last epoch that the rules hold.
    #[must_use]
    pub fn holds(&self, input: InputPartition) -> usize {
        let Some(partition) = self.partitions.get(&input) else { return 0 };
        let collected = partition.collected.values().flat_map(|collection| &collection.ids);
        let waiting = partition.waiting.iter().map(|waiting| &waiting.work.id);
        collected.chain(waiting).filter(|id| Some(id.epoch) == partition.epoch).count()
    }

    /// Work that a worker could start.
    #[must_use]
    pub fn startable(&self) -> Vec<Work> {
        let in_order = self.in_order;
        let of_partition = |partition: &'_ Partition| -> Vec<Work> {
            let waiting = partition.waiting.iter().take(if in_order { 1 } else { usize::MAX });
            waiting.filter(|waiting| !waiting.started).map(|waiting| waiting.work).collect()
        };
        self.partitions.values().flat_map(of_partition).collect()
    }

    /// A worker has started.
    pub fn start(&mut self, work: Work) {
        if let Some(waiting) = self.find(work.id) {
            waiting.started = true;
        }
    }

    fn find(&mut self, id: RecordId) -> Option<&mut Waiting> {
        let partition = self.partitions.get_mut(&id.input)?;
        partition.waiting.iter_mut().find(|waiting| waiting.work.id == id)
    }

    /// Work of the second topic that no worker has started is given back: all of it when order is kept, else some.
    fn give_back(&mut self, input: InputPartition) -> Vec<RecordId> {
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
        let outputs = vec![Output { input, of: self.of, key, kind: Kind::Result, part: 0 }];
        Effect::Emit { ids: self.ids, outputs, urgent }
    }
}

fn outputs(input: InputPartition, record: Record, kind: Kind, parts: std::ops::Range<u8>) -> Vec<Output> {
    parts.map(|part| Output { input, of: vec![record.id], key: record.key, kind, part }).collect()
}

fn dead_letter(input: InputPartition, record: Record) -> Output {
    Output { input, of: vec![record.id], key: record.key, kind: Kind::DeadLetter, part: 0 }
}

impl Stage for Rules {
    type Record<'a> = Record;
    type Output = Output;
    type Completion = Work;

    fn assigned(&mut self, input: InputPartition, _epoch: Epoch, _now: Now) {
        self.partitions.insert(input, Partition::default());
    }

    fn unassigned(&mut self, input: InputPartition) {
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
            return Verdict::Fail(format!("record {} can't be processed now", record.id));
        }
        if record.defers {
            return Verdict::Defer(format!("record {} can't be processed now", record.id));
        }
        let Some(partition) = self.partitions.get_mut(&id.input) else {
            return Verdict::Fail(format!("record {} of a partition that was never assigned", record.id));
        };
        if partition.epoch.replace(id.epoch) != Some(id.epoch) {
            partition.processed = 0;
        }
        partition.processed += 1;
        if !partition.seen.insert(record.id) {
            return Verdict::Drop(Reason("seen"));
        }
        match record.fate {
            Fate::Drop => Verdict::Drop(Reason("unwanted")),
            Fate::Emit(parts) => Verdict::Emit(outputs(id.input, record, Kind::Result, 0..parts)),
            Fate::Reject => Verdict::Reject(dead_letter(id.input, record)),
            Fate::Collect => {
                self.collect(id, record, now, effects);
                Verdict::Hold
            }
            Fate::Work(_) | Fate::WorkDrop | Fate::WorkReject | Fate::WorkChunks(_) => {
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
        if let Fate::WorkChunks(all) = record.fate
            && chunks < all
        {
            let chunk = outputs(id.input, record, Kind::Chunk, chunks..chunks + 1);
            effects.push(Effect::Append { on_behalf_of: id, outputs: chunk });
            if let Some(waiting) = self.find(id) {
                *waiting = Waiting { work: Work { chunks: chunks + 1, ..work }, started: false };
            }
            return;
        }
        if let Some(partition) = self.partitions.get_mut(&id.input) {
            partition.waiting.retain(|waiting| waiting.work.id != id);
        }
        // Said whether or not the record is still held here: that an older assignment's work is discarded is the engine's part.
        effects.push(match record.fate {
            Fate::WorkDrop => Effect::Drop { id, reason: Reason("pointless") },
            Fate::WorkReject => Effect::Reject { id, dead_letter: dead_letter(id.input, record) },
            Fate::Work(parts) => {
                let outputs = outputs(id.input, record, Kind::Result, 0..parts);
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
        let waiting: usize = self.partitions.values().map(|partition| partition.waiting.len()).sum();
        self.work_full = waiting > if self.work_full { WORK_MAX / 2 } else { WORK_MAX };
    }

    fn drain(&mut self, inputs: &[InputPartition], _now: Now, effects: &mut Effects<Output>) {
        for input in inputs {
            self.flush(*input, |_| true, effects);
            let ids = self.give_back(*input);
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
        open.map(|collection| (collection.since + COLLECTED_FOR).saturating_sub(now.monotonic)).min()
    }
}
