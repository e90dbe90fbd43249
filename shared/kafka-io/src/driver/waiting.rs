//! Work that was fetched and not judged yet.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::Source;

use crate::raw::Fetched;

/// Records fetched at most before they are judged.
const CAPACITY: usize = 1_000;

/// The records of one turn of the loop, in the order in which they came, and where partitions ended behind them.
#[derive(Default)]
pub(super) struct Waiting<'c> {
    records: Vec<(Source, Fetched<'c>)>,
    ends: BTreeMap<Source, i64>,
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

    pub(super) fn push(&mut self, source: Source, record: Fetched<'c>) {
        // The end that was told before this record is no end any more.
        self.ends.remove(&source);
        self.records.push((source, record));
    }

    pub(super) fn end(&mut self, source: Source, offset: i64) {
        self.ends.insert(source, offset);
    }

    /// Forgets what came of sources that go: nobody has judged it, so whoever owns them next gets it again.
    pub(super) fn forget(&mut self, sources: &BTreeSet<Source>) {
        self.records.retain(|(source, _)| !sources.contains(source));
        self.ends.retain(|source, _| !sources.contains(source));
    }

    /// The sources of which something waits.
    pub(super) fn sources(&self) -> BTreeSet<Source> {
        self.records.iter().map(|(source, _)| *source).chain(self.ends.keys().copied()).collect()
    }

    /// The offset behind what waits of a source.
    pub(super) fn next_of(&self, source: Source) -> Option<i64> {
        let last = self.records.iter().rev().find(|(of, _)| *of == source);
        self.ends.get(&source).copied().or_else(|| last.map(|(_, record)| record.offset() + 1))
    }

    /// The numbers of the partitions that have records here.
    pub(super) fn partitions(&self) -> BTreeSet<i32> {
        self.records.iter().map(|(source, _)| source.partition).collect()
    }

    /// Everything, grouped by source, each source in its order.
    pub(super) fn take(&mut self) -> (Vec<(Source, Fetched<'c>)>, BTreeMap<Source, i64>) {
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|(source, _)| *source);
        (records, std::mem::take(&mut self.ends))
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.ends.clear();
    }
}
