//! Work that was fetched and not judged yet.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::InputPartition;

use crate::raw::Fetched;

/// Records fetched at most before they are judged.
const CAPACITY: usize = 1_000;

/// The records of one turn of the loop, in the order in which they came, and where partitions ended behind them.
#[derive(Default)]
pub(super) struct Waiting<'c> {
    records: Vec<(InputPartition, Fetched<'c>)>,
    ends: BTreeMap<InputPartition, i64>,
}

impl<'c> Waiting<'c> {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ends.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= CAPACITY
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn push(&mut self, input: InputPartition, record: Fetched<'c>) {
        // The end that was told before this record is no end any more.
        self.ends.remove(&input);
        self.records.push((input, record));
    }

    pub(super) fn end(&mut self, input: InputPartition, offset: i64) {
        self.ends.insert(input, offset);
    }

    /// Forgets what came of inputs that go: nobody has judged it, so whoever owns them next gets it again.
    pub(super) fn forget(&mut self, inputs: &BTreeSet<InputPartition>) {
        self.records.retain(|(input, _)| !inputs.contains(input));
        self.ends.retain(|input, _| !inputs.contains(input));
    }

    /// The inputs of which something waits.
    pub(super) fn inputs(&self) -> BTreeSet<InputPartition> {
        self.records.iter().map(|(input, _)| *input).chain(self.ends.keys().copied()).collect()
    }

    /// The offset behind what waits of a input.
    pub(super) fn next_of(&self, input: InputPartition) -> Option<i64> {
        let last = self.records.iter().rev().find(|(of, _)| *of == input);
        self.ends.get(&input).copied().or_else(|| last.map(|(_, record)| record.offset() + 1))
    }

    /// The numbers of the partitions that have records here.
    pub(super) fn partitions(&self) -> BTreeSet<i32> {
        self.records.iter().map(|(input, _)| input.partition).collect()
    }

    /// Everything, grouped by input, each input in its order.
    pub(super) fn take(&mut self) -> (Vec<(InputPartition, Fetched<'c>)>, BTreeMap<InputPartition, i64>) {
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|(input, _)| *input);
        (records, std::mem::take(&mut self.ends))
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.ends.clear();
    }
}
