//! The dedup windows of all partitions that are owned: they come and go with their partitions.

use std::collections::BTreeMap;
use std::hash::Hash;

use crate::timestamp::Timestamp;
use crate::window::{DedupWindows, SLACK_MICROS};

/// [`DedupWindows`] by partition, each with the same reach and bound.
#[derive(Debug)]
pub struct PartitionWindows<K, V> {
    window_micros: i64,
    partition_capacity: usize,
    partitions: BTreeMap<i32, DedupWindows<K, V>>,
}

impl<K: Copy + Eq + Hash, V> PartitionWindows<K, V> {
    /// No windows yet; each reaches `window_micros` both ways, and a partition remembers at most `partition_capacity` of them.
    #[must_use]
    pub const fn new(window_micros: i64, partition_capacity: usize) -> Self {
        Self { window_micros, partition_capacity, partitions: BTreeMap::new() }
    }

    /// How long after its first announcement a window is forgotten, in microseconds.
    #[must_use]
    pub const fn kept_micros(&self) -> i64 {
        self.window_micros.saturating_add(SLACK_MICROS)
    }

    /// The windows of a partition.
    pub fn of(&mut self, partition: i32) -> &mut DedupWindows<K, V> {
        let (window_micros, capacity) = (self.window_micros, self.partition_capacity);
        self.partitions.entry(partition).or_insert_with(|| DedupWindows::new(window_micros, capacity))
    }

    /// Forgets the windows whose time is over at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        for windows in self.partitions.values_mut() {
            windows.expire(now);
        }
    }

    /// The partition has gone, and its windows with it.
    pub fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// How many windows are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.values().map(DedupWindows::len).sum()
    }

    /// Whether no window is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many windows the partitions held now had to forget before their time because of the bound.
    #[must_use]
    pub fn evicted_by_bound(&self) -> u64 {
        self.partitions.values().map(DedupWindows::evicted_by_bound).sum()
    }
}
