//! Queue of admitted requests. A request waits for its tables, then for a worker: highest priority first, then oldest.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use contracts::Topic;
use kafka_io::TableScope;

use super::lane_load::{LaneLimits, LaneLoad};

/// The two input topics, each with its own bound, so that a full queue of ordinary requests never stops urgent ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Requests of `feature.batch.requested`.
    Ordinary,
    /// Requests of `feature.batch.urgent`.
    Urgent,
}

impl Lane {
    const fn index(self) -> usize {
        match self {
            Self::Ordinary => 0,
            Self::Urgent => 1,
        }
    }
}

/// A partition of a table. The co-partitioned and the global tables of a topic are read independently of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TablePartition {
    pub scope: TableScope,
    pub topic: Topic,
    pub partition: i32,
}

#[derive(Debug)]
struct QueueEntry<T> {
    priority: u8,
    arrival: u64,
    lane: Lane,
    bytes: usize,
    /// Table positions that are not yet known to be reached.
    needs: Vec<(TablePartition, i64)>,
    item: T,
}

impl<T> PartialEq for QueueEntry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for QueueEntry<T> {}

impl<T> PartialOrd for QueueEntry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for QueueEntry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.cmp(&other.priority).then(other.arrival.cmp(&self.arrival))
    }
}

/// The position of a table partition, and the requests that wait for a later one.
#[derive(Debug)]
struct TableProgress<T> {
    position: i64,
    waiting: BTreeMap<i64, Vec<QueueEntry<T>>>,
}

impl<T> Default for TableProgress<T> {
    fn default() -> Self {
        Self { position: 0, waiting: BTreeMap::new() }
    }
}

/// The queue. It never drops a request: a full lane pauses its partitions.
#[derive(Debug)]
pub struct RequestQueue<T> {
    tables: HashMap<TablePartition, TableProgress<T>>,
    ready: BinaryHeap<QueueEntry<T>>,
    arrivals: u64,
    lanes: [LaneLoad; 2],
}

impl<T> RequestQueue<T> {
    #[must_use]
    pub fn new(ordinary: LaneLimits, urgent: LaneLimits) -> Self {
        Self {
            tables: HashMap::new(),
            ready: BinaryHeap::new(),
            arrivals: 0,
            lanes: [ordinary, urgent].map(LaneLoad::new),
        }
    }

    /// Adds a request of this memory that may start when each table has reached the position in `needs` (causality).
    pub fn push(
        &mut self,
        lane: Lane,
        needs: Vec<(TablePartition, i64)>,
        priority: u8,
        (item, bytes): (T, usize),
    ) {
        self.arrivals += 1;
        self.lanes[lane.index()].add(bytes);
        self.enqueue(QueueEntry { priority, arrival: self.arrivals, lane, bytes, needs, item });
    }

    /// Adds the request to those that wait for the next table position not yet reached, or to the ready ones.
    fn enqueue(&mut self, mut entry: QueueEntry<T>) {
        while let Some((table, needed)) = entry.needs.pop() {
            let progress = self.tables.entry(table).or_default();
            if progress.position < needed {
                progress.waiting.entry(needed).or_default().push(entry);
                return;
            }
        }
        self.ready.push(entry);
    }

    /// Sets the position of a table partition; requests that need no later position are no longer delayed by it.
    pub fn table_reached(&mut self, table: TablePartition, position: i64) {
        let progress = self.tables.entry(table).or_default();
        progress.position = position;
        let later = progress.waiting.split_off(&position.saturating_add(1));
        let reached = std::mem::replace(&mut progress.waiting, later);
        for entry in reached.into_values().flatten() {
            self.enqueue(entry);
        }
    }

    /// Removes and returns the next request whose tables are loaded: the one of the highest priority, the oldest of those.
    pub fn pop(&mut self) -> Option<T> {
        let entry = self.ready.pop()?;
        self.lanes[entry.lane.index()].remove(entry.bytes);
        Some(entry.item)
    }

    /// Returns the request that [`Self::pop`] would return.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.ready.peek().map(|entry| &entry.item)
    }

    /// Returns the number of requests whose tables are loaded.
    #[must_use]
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Resets the position of a table partition to 0, because it is no longer read.
    pub fn table_released(&mut self, table: TablePartition) {
        if let Some(progress) = self.tables.get_mut(&table) {
            progress.position = 0;
        }
    }

    /// Removes and returns all requests, waiting or ready, for which `matches` is true, oldest first.
    pub fn take(&mut self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken: Vec<QueueEntry<T>> = Vec::new();
        for progress in self.tables.values_mut() {
            for entries in progress.waiting.values_mut() {
                taken.extend(entries.extract_if(.., |entry| matches(&entry.item)));
            }
            progress.waiting.retain(|_, entries| !entries.is_empty());
        }
        let mut ready = std::mem::take(&mut self.ready).into_vec();
        taken.extend(ready.extract_if(.., |entry| matches(&entry.item)));
        self.ready = ready.into();
        taken.sort_by_key(|entry| entry.arrival);
        for entry in &taken {
            self.lanes[entry.lane.index()].remove(entry.bytes);
        }
        taken.into_iter().map(|entry| entry.item).collect()
    }

    /// Returns `true` if the lane is full: from one of its bounds on, until less than half of both are queued.
    #[must_use]
    pub fn is_full(&self, lane: Lane) -> bool {
        self.lanes[lane.index()].is_full()
    }

    /// Returns the number of requests of a lane.
    #[must_use]
    pub fn len(&self, lane: Lane) -> usize {
        self.lanes[lane.index()].requests()
    }

    /// Returns the memory of the requests of a lane, in bytes.
    #[must_use]
    pub fn bytes(&self, lane: Lane) -> usize {
        self.lanes[lane.index()].bytes()
    }

    /// Returns `true` if both lanes are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.requests() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(scope: TableScope, partition: i32) -> TablePartition {
        TablePartition { scope, topic: Topic::BarClosed, partition }
    }

    fn own(partition: i32) -> TablePartition {
        table(TableScope::CoPartitioned, partition)
    }

    fn needs(partition: i32, position: i64) -> Vec<(TablePartition, i64)> {
        vec![(own(partition), position)]
    }

    fn queue(max: usize) -> RequestQueue<&'static str> {
        let limits = LaneLimits { requests: max, bytes: 1_000 };
        RequestQueue::new(limits, limits)
    }

    fn drain(queue: &mut RequestQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn highest_priority_leaves_first_then_oldest() {
        let mut queue = queue(10);
        queue.push(Lane::Ordinary, needs(0, 0), 5, ("a", 1));
        queue.push(Lane::Urgent, needs(1, 0), 9, ("b", 1));
        queue.push(Lane::Ordinary, needs(2, 0), 5, ("c", 1));
        queue.push(Lane::Ordinary, needs(0, 0), 6, ("d", 1));
        assert_eq!(drain(&mut queue), ["b", "d", "a", "c"]);
    }

    #[test]
    fn request_waits_until_its_table_position_is_reached() {
        let mut queue = queue(10);
        queue.table_reached(own(0), 4);
        queue.push(Lane::Ordinary, needs(0, 5), 5, ("needs 5", 1));
        queue.push(Lane::Ordinary, needs(0, 7), 5, ("needs 7", 1));
        queue.push(Lane::Ordinary, needs(1, 1), 5, ("another partition", 1));
        assert_eq!(drain(&mut queue), [] as [&str; 0]);
        queue.table_reached(own(0), 5);
        assert_eq!(drain(&mut queue), ["needs 5"]);
        queue.table_reached(own(0), 9);
        assert_eq!(drain(&mut queue), ["needs 7"]);
        assert_eq!(queue.len(Lane::Ordinary), 1);
    }

    #[test]
    fn request_waits_for_all_its_tables_in_any_order() {
        let news = TablePartition { topic: Topic::NewsPublished, ..own(1) };
        let (global, other) = (table(TableScope::Global, 1), table(TableScope::Global, 2));
        let needs = [(own(1), 3), (news, 5), (global, 9), (other, 4)];
        for last in 0..needs.len() {
            let mut queue = queue(10);
            queue.push(Lane::Ordinary, needs.to_vec(), 5, ("compares", 1));
            for (index, (table, position)) in needs.into_iter().enumerate() {
                queue.table_reached(table, if index == last { position - 1 } else { position });
            }
            assert_eq!((drain(&mut queue).len(), queue.len(Lane::Ordinary)), (0, 1));
            queue.table_reached(needs[last].0, needs[last].1);
            assert_eq!(drain(&mut queue), ["compares"]);
        }
    }

    #[test]
    fn full_lane_stays_full_until_half_without_the_other() {
        for (max, full_after_pops) in [(4, [true, true, false]), (5, [true, true, false])] {
            let mut queue = queue(max);
            for _ in 0..max {
                assert!(!queue.is_full(Lane::Ordinary));
                queue.push(Lane::Ordinary, needs(0, 0), 5, ("x", 1));
            }
            assert!(queue.is_full(Lane::Ordinary) && !queue.is_full(Lane::Urgent));
            let after_pops = [(); 3].map(|()| {
                queue.pop();
                queue.is_full(Lane::Ordinary)
            });
            assert_eq!(after_pops, full_after_pops, "2 of 4 and 3 of 5 are not below half");
        }
    }

    #[test]
    fn taken_requests_are_oldest_first_waiting_or_ready() {
        let mut queue = queue(10);
        queue.push(Lane::Ordinary, needs(0, 5), 5, ("old", 1));
        queue.push(Lane::Urgent, needs(0, 0), 9, ("young", 1));
        queue.push(Lane::Urgent, needs(0, 0), 9, ("other", 1));
        assert_eq!(queue.take(|item| *item != "other"), ["old", "young"]);
        assert_eq!(drain(&mut queue), ["other"]);
        assert!(queue.is_empty());
    }
}
