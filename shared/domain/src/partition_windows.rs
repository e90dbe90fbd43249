//! Dedup windows of all assigned partitions.

use std::collections::BTreeMap;
use std::hash::Hash;

use crate::timestamp::Timestamp;
use crate::window::{DedupWindows, SLACK_MICROS};

/// [`DedupWindows`] by partition, with equal window and capacity.
#[derive(Debug)]
pub struct PartitionWindows<K, V> {
    window_micros: i64,
    partition_capacity: usize,
    partitions: BTreeMap<i32, DedupWindows<K, V>>,
    /// Evictions in partitions that were removed.
    past_evictions: u64,
}

impl<K: Copy + Eq + Hash, V> PartitionWindows<K, V> {
    /// Upper bound of the memory of a window.
    pub const WINDOW_BYTES_MAX: usize = DedupWindows::<K, V>::BYTES_MAX;

    /// Creates an empty collection. Each window extends `window_micros` before and after its first occurrence. A partition keeps at
    /// most `partition_capacity` announced windows.
    #[must_use]
    pub const fn new(window_micros: i64, partition_capacity: usize) -> Self {
        Self { window_micros, partition_capacity, partitions: BTreeMap::new(), past_evictions: 0 }
    }

    /// Returns the time from the first announcement of a window to its expiry, in microseconds.
    #[must_use]
    pub const fn kept_micros(&self) -> i64 {
        self.window_micros.saturating_add(SLACK_MICROS)
    }

    /// Returns the windows of a partition, which are created if necessary.
    pub fn of(&mut self, partition: i32) -> &mut DedupWindows<K, V> {
        let (window_micros, capacity) = (self.window_micros, self.partition_capacity);
        self.partitions.entry(partition).or_insert_with(|| DedupWindows::new(window_micros, capacity))
    }

    /// Removes the windows that have expired at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        for windows in self.partitions.values_mut() {
            windows.expire(now);
        }
    }

    /// Removes the windows of a partition that was unassigned. Their evictions still count.
    pub fn remove(&mut self, partition: i32) {
        let removed = self.partitions.remove(&partition);
        self.past_evictions += removed.map_or(0, |windows| windows.evicted_by_bound());
    }

    /// Returns the number of windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.values().map(DedupWindows::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of windows that the current partitions may have.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.partitions.len().saturating_mul(self.partition_capacity)
    }

    /// Returns the number of windows that were evicted because of the capacity. Never decreases.
    #[must_use]
    pub fn evicted_by_bound(&self) -> u64 {
        self.past_evictions + self.partitions.values().map(DedupWindows::evicted_by_bound).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::PartitionWindows;
    use crate::timestamp::Timestamp;

    #[test]
    fn evictions_of_a_removed_partition_still_count() {
        let at = Timestamp::from_micros;
        let mut windows = PartitionWindows::new(1, 2);
        for key in 0..3 {
            windows.of(0).open(key, at(key), (), at(key));
        }
        assert_eq!((windows.len(), windows.evicted_by_bound()), (2, 1));
        windows.remove(0);
        assert_eq!((windows.len(), windows.evicted_by_bound()), (0, 1));
    }
}
