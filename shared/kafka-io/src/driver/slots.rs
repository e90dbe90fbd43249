//! Slots of a side input: the number of partitions that are read at once while it loads.
//!
//! A response has up to 1 MiB of compressed records for each partition, and is decompressed and queued whole, whatever the prefetch buffer
//! allows. So the number of partitions that are read at once bounds the memory of a load (ADR 076).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::inputs::TopicPartition;

/// Partitions of a side input that are read at once while it loads. With 12 at once a restore is no faster (ADR 076).
pub const LOADING_PARTITIONS_MAX: usize = 4;

/// The time without a record after which a partition no longer occupies its slot. It is stalled or its leader is unavailable, so it needs
/// no memory, and must not delay the others.
const IDLE: Duration = Duration::from_secs(2);

/// The partitions that are read, each with a slot.
pub(super) struct Slots {
    max: usize,
    /// [`IDLE`], except in tests.
    pub(super) idle: Duration,
    /// Position, and when it moved last.
    read: BTreeMap<TopicPartition, (i64, Instant)>,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self { max, idle: IDLE, read: BTreeMap::new() }
    }

    /// Sets the partitions that are read, with their positions, and returns the number of free slots. `drained`: every fetched record has
    /// been processed. Otherwise a position that has not moved may have records in the queue.
    pub(super) fn free(
        &mut self,
        read: impl IntoIterator<Item = (TopicPartition, i64)>,
        drained: bool,
        now: Instant,
    ) -> usize {
        let before = std::mem::take(&mut self.read);
        self.read = read
            .into_iter()
            .map(|(partition, position)| {
                let known = before.get(&partition).filter(|(known, _)| drained && *known == position);
                (partition, known.copied().unwrap_or((position, now)))
            })
            .collect();
        let occupied =
            self.read.values().filter(|(_, moved)| now.saturating_duration_since(*moved) < self.idle).count();
        self.max.saturating_sub(occupied)
    }
}

#[cfg(test)]
mod tests {
    use contracts::Topic;

    use super::*;

    const ONE: TopicPartition = (Topic::BarClosed, 1);
    const TWO: TopicPartition = (Topic::BarClosed, 2);

    #[test]
    fn partition_that_is_read_occupies_a_slot() {
        let start = Instant::now();
        let mut slots = Slots::new(3);
        assert_eq!(slots.free([], true, start), 3);
        assert_eq!(slots.free([(ONE, 0), (TWO, 0)], true, start), 1);
        assert_eq!(slots.free([(TWO, 0)], true, start), 2);
        assert_eq!(slots.free([(ONE, 0), (TWO, 0), (ONE, 1)], true, start), 1);
    }

    #[test]
    fn partition_without_records_loses_its_slot_until_one_arrives() {
        let start = Instant::now();
        let mut slots = Slots::new(2);
        assert_eq!(slots.free([(ONE, 0), (TWO, 0)], true, start), 0);
        assert_eq!(slots.free([(ONE, 0), (TWO, 7)], true, start + IDLE), 1);
        assert_eq!(slots.free([(ONE, 1), (TWO, 7)], true, start + IDLE), 0);
    }

    #[test]
    fn partition_may_have_records_in_a_queue_that_is_not_drained() {
        let start = Instant::now();
        let mut slots = Slots::new(1);
        assert_eq!(slots.free([(ONE, 0)], true, start), 0);
        assert_eq!(slots.free([(ONE, 0)], false, start + IDLE), 0);
        assert_eq!(slots.free([(ONE, 0)], true, start + IDLE + IDLE / 2), 0);
        assert_eq!(slots.free([(ONE, 0)], true, start + IDLE * 2), 1);
    }
}
