//! The simulated log: partitions with open, committed and aborted transactions, as readers of committed records see them.

use std::collections::BTreeMap;

use contracts::Topic;
use kafka_io::OutRecord;
use pipeline::Now;
use testkit::StoredRecord;

/// A partition of a topic.
pub(crate) type At = (Topic, i32);

/// A stored record.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: OutRecord,
    pub(crate) appended: Now,
    /// The number of its append or commit among all appends and commits: from then on readers see it.
    pub(crate) visible_from: Option<u64>,
    /// The number of its append.
    pub(crate) appended_as: u64,
}

/// An offset: a record, or the end of a transaction.
#[derive(Debug)]
enum Slot {
    Record(Box<Entry>),
    Marker,
}

#[derive(Debug, Default)]
struct Partition {
    slots: Vec<Slot>,
    /// Open transactions with their first offset.
    open: BTreeMap<u64, i64>,
}

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Log {
    partitions: BTreeMap<At, Partition>,
    /// The records of open transactions.
    open: BTreeMap<u64, Vec<(At, i64)>>,
    /// The records of committed transactions, in the order of the commits.
    pub(crate) committed: Vec<Vec<(At, i64)>>,
    sequence: u64,
    next_transaction: u64,
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Entry {
    /// Returns it as a record in its topic.
    pub(crate) fn stored(&self, offset: i64) -> StoredRecord<'_> {
        StoredRecord::new(&self.record).at_offset(offset).appended_at(self.appended)
    }
}

impl Partition {
    fn end(&self) -> i64 {
        i64::try_from(self.slots.len()).unwrap_or(i64::MAX)
    }

    fn entry(&self, offset: i64) -> Option<&Entry> {
        match self.slots.get(index(offset))? {
            Slot::Record(entry) => Some(entry),
            Slot::Marker => None,
        }
    }
}

impl Log {
    /// Begins a transaction.
    pub(crate) fn begin(&mut self) -> u64 {
        self.next_transaction += 1;
        self.open.insert(self.next_transaction, Vec::new());
        self.next_transaction
    }

    /// Appends a record, within a transaction or outside of one.
    pub(crate) fn append(&mut self, record: &OutRecord, transaction: Option<u64>, now: Now) {
        let at = (record.topic, record.partition);
        self.sequence += 1;
        let partition = self.partitions.entry(at).or_default();
        let offset = partition.end();
        if let Some(transaction) = transaction {
            partition.open.entry(transaction).or_insert(offset);
            self.open.entry(transaction).or_default().push((at, offset));
        }
        partition.slots.push(Slot::Record(Box::new(Entry {
            record: record.clone(),
            appended: now,
            visible_from: transaction.is_none().then_some(self.sequence),
            appended_as: self.sequence,
        })));
    }

    /// Ends a transaction: its records become visible together, or never.
    pub(crate) fn end(&mut self, transaction: u64, commits: bool) {
        let Some(records) = self.open.remove(&transaction) else { return };
        self.sequence += 1;
        for (at, offset) in &records {
            let Some(partition) = self.partitions.get_mut(at) else { continue };
            if let Some(Slot::Record(entry)) = partition.slots.get_mut(index(*offset)) {
                entry.visible_from = commits.then_some(self.sequence);
            }
            if partition.open.remove(&transaction).is_some() {
                partition.slots.push(Slot::Marker);
            }
        }
        if commits {
            self.committed.push(records);
        }
    }

    /// Returns `true` if no transaction is open.
    pub(crate) fn is_stable(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the end of a partition, records of open transactions included.
    pub(crate) fn end_of(&self, at: At) -> i64 {
        self.partitions.get(&at).map_or(0, Partition::end)
    }

    /// Returns the last stable offset of a partition.
    pub(crate) fn stable_end(&self, at: At) -> i64 {
        let Some(partition) = self.partitions.get(&at) else { return 0 };
        partition.open.values().min().copied().unwrap_or_else(|| partition.end())
    }

    /// Returns up to this number of committed records from an offset on, and the offset at which reading continues.
    pub(crate) fn read(&self, at: At, from: i64, max: usize) -> (Vec<(i64, &Entry)>, i64) {
        let (stable, mut records) = (self.stable_end(at), Vec::new());
        let Some(partition) = self.partitions.get(&at) else { return (records, from) };
        for offset in from..stable {
            if records.len() == max {
                return (records, offset);
            }
            let entry = partition.entry(offset).filter(|entry| entry.visible_from.is_some());
            records.extend(entry.map(|entry| (offset, entry)));
        }
        (records, stable.max(from))
    }

    /// Returns the first offset whose record was appended at this time or later, or the end.
    pub(crate) fn begin_of(&self, at: At, since_micros: i64) -> i64 {
        let Some(partition) = self.partitions.get(&at) else { return 0 };
        let is_recent = |offset: &i64| {
            partition.entry(*offset).is_some_and(|entry| entry.appended.wall_micros >= since_micros)
        };
        (0..partition.end()).find(is_recent).unwrap_or_else(|| partition.end())
    }

    pub(crate) fn entry(&self, at: At, offset: i64) -> Option<&Entry> {
        self.partitions.get(&at)?.entry(offset)
    }

    /// Returns all committed records by topic, partition and offset.
    pub(crate) fn visible(&self) -> impl Iterator<Item = (At, i64, &Entry)> {
        self.partitions.keys().flat_map(|at| {
            let (records, _) = self.read(*at, 0, usize::MAX);
            records.into_iter().map(|(offset, entry)| (*at, offset, entry))
        })
    }
}
