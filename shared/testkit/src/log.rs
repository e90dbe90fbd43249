//! The input: partitions with holes, where control records and compaction took offsets that are never delivered.

use pipeline::InputPartition;

use crate::rng::Rng;
use crate::rules::{Fate, Record};

/// One input partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partition {
    /// In order of offset.
    pub(crate) records: Vec<(i64, Record)>,
    /// The offset that the next record would get.
    pub(crate) end: i64,
}

impl Partition {
    /// The records at `from` and behind it.
    pub(crate) fn from(&self, from: i64) -> &[(i64, Record)] {
        let at = self.records.partition_point(|(offset, _)| *offset < from);
        &self.records[at..]
    }

    /// Where a record of this partition lies; ids rise along it.
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

/// A record for this partition. Its key decides how its order matters, so that no key mixes ways that may overtake each other.
pub(crate) fn make(id: u64, input: InputPartition, in_order: bool, rng: &mut Rng) -> Record {
    let partition = u64::try_from(input.partition).unwrap_or(0) + 10 * u64::from(input.topic);
    let way = if in_order { 2 * (partition % 2) } else { rng.below(3) };
    let key = partition * 100 + rng.below(2) * 10 + way;
    let some = |rng: &mut Rng| 1 + u8::try_from(rng.below(3)).unwrap_or(0);
    let fate = match (way, rng.below(10)) {
        (_, 0..=2) => Fate::Drop,
        (0, 3..=7) => Fate::Emit(some(rng)),
        (0, _) => Fate::Reject,
        (1, _) => Fate::Collect,
        (_, 3) => Fate::WorkDrop,
        (_, 4) => Fate::WorkReject,
        (_, 5) => Fate::WorkChunks(some(rng)),
        (_, _) => Fate::Work(some(rng)),
    };
    Record { id, key, fate, fails: false, defers: false }
}
