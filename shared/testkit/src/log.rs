//! The input log: partitions with holes, where control records and compaction took offsets that are never delivered.

use pipeline::InputPartition;

use crate::rng::Rng;
use crate::rules::{Plan, Record};

#[derive(Debug, Clone, Default)]
pub(crate) struct Partition {
    /// In order of offset.
    pub(crate) records: Vec<(i64, Record)>,
    /// The offset of the next record.
    pub(crate) end: i64,
}

impl Partition {
    /// Returns the records from this offset on.
    pub(crate) fn from(&self, from: i64) -> &[(i64, Record)] {
        let at = self.records.partition_point(|(offset, _)| *offset < from);
        &self.records[at..]
    }

    /// Returns the offset of a record of this partition; ids increase along it.
    pub(crate) fn offset_of(&self, id: u64) -> Option<i64> {
        let at = self.records.binary_search_by_key(&id, |(_, record)| record.id).ok()?;
        self.records.get(at).map(|(offset, _)| *offset)
    }

    pub(crate) fn append(&mut self, record: Record, rng: &mut Rng) {
        self.skip(rng, 20);
        self.records.push((self.end, record));
        self.end += 1;
        self.skip(rng, 10);
    }

    fn skip(&mut self, rng: &mut Rng, percent: u64) {
        if rng.chance(percent) {
            self.end += 1 + i64::try_from(rng.below(3)).unwrap_or(0);
        }
    }
}

/// Creates a record for this partition. All records of a key are processed in the same way, so that the order of a key is defined.
pub(crate) fn make(id: u64, input: InputPartition, in_order: bool, rng: &mut Rng) -> Record {
    let partition = u64::try_from(input.partition).unwrap_or(0) + 10 * u64::from(input.topic);
    let way = if in_order { 2 * (partition % 2) } else { rng.below(3) };
    let key = partition * 100 + rng.below(2) * 10 + way;
    let some = |rng: &mut Rng| 1 + u8::try_from(rng.below(3)).unwrap_or(0);
    let plan = match (way, rng.below(10)) {
        (_, 0..=2) => Plan::Drop,
        (0, 3..=7) => Plan::Emit(some(rng)),
        (0, _) => Plan::Reject,
        (1, _) => Plan::Collect,
        (_, 3) => Plan::WorkDrop,
        (_, 4) => Plan::WorkReject,
        (_, 5) => Plan::WorkChunks(some(rng)),
        (_, _) => Plan::Work(some(rng)),
    };
    Record { id, key, plan, fails: false, defers: false }
}
