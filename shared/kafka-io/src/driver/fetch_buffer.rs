//! Buffer of fetched records that are not processed yet.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::InputPartition;

use crate::raw::Fetched;

/// Records after which the buffer is full.
pub(super) const RECORDS_MAX: usize = 1_000;

/// Bytes of keys and payloads after which the buffer is full: a record may have 1 MiB, so that their number alone is no bound. 1,000
/// records of this system have less.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The records of one iteration of the loop in the order of arrival, and the ends of partitions that were reached after them.
#[derive(Default)]
pub(super) struct FetchBuffer<'c> {
    records: Vec<(InputPartition, Fetched<'c>)>,
    bytes: usize,
    ends: BTreeMap<InputPartition, i64>,
}

impl<'c> FetchBuffer<'c> {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ends.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    /// The bytes of keys and payloads.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn push(&mut self, input: InputPartition, record: Fetched<'c>) {
        // An end that was reached before this record is no longer the end.
        self.ends.remove(&input);
        self.bytes += bytes_of(&record);
        self.records.push((input, record));
    }

    pub(super) fn end(&mut self, input: InputPartition, offset: i64) {
        self.ends.insert(input, offset);
    }

    /// Discards the records of inputs that are revoked or rewound: they were not processed, so they will be fetched again.
    pub(super) fn discard(&mut self, inputs: &BTreeSet<InputPartition>) {
        self.records.retain(|(input, _)| !inputs.contains(input));
        self.bytes = self.records.iter().map(|(_, record)| bytes_of(record)).sum();
        self.ends.retain(|input, _| !inputs.contains(input));
    }

    /// The inputs with a record or an end in the buffer.
    pub(super) fn inputs(&self) -> BTreeSet<InputPartition> {
        self.records.iter().map(|(input, _)| *input).chain(self.ends.keys().copied()).collect()
    }

    /// The fetch position of an input after its last buffered record. `None` if nothing of it is buffered.
    pub(super) fn position(&self, input: InputPartition) -> Option<i64> {
        let last = self.records.iter().rev().find(|(of, _)| *of == input);
        self.ends.get(&input).copied().or_else(|| last.map(|(_, record)| record.offset() + 1))
    }

    /// The numbers of the partitions with buffered records.
    pub(super) fn partitions(&self) -> BTreeSet<i32> {
        self.records.iter().map(|(input, _)| input.partition).collect()
    }

    /// Takes everything, grouped by input; the order within an input is kept.
    pub(super) fn take(&mut self) -> (Vec<(InputPartition, Fetched<'c>)>, BTreeMap<InputPartition, i64>) {
        let mut records = std::mem::take(&mut self.records);
        self.bytes = 0;
        records.sort_by_key(|(input, _)| *input);
        (records, std::mem::take(&mut self.ends))
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
        self.ends.clear();
    }
}

fn bytes_of(record: &Fetched<'_>) -> usize {
    record.key().map_or(0, <[u8]>::len) + record.payload().map_or(0, <[u8]>::len)
}
