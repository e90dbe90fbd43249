//! Requests that wait: first for the bars that they must see, then for a worker. Highest priority first, then oldest.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// The two input topics, each with a bound of its own, so that a full queue of ordinary requests never stops urgent ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// feature.batch.requested
    Ordinary,
    /// feature.batch.urgent
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

/// A partition of the bar table, as one or the other reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// The stage's own share.
    Share(i32),
    /// The benchmarks' bars.
    Global(i32),
}

#[derive(Debug)]
struct Entry<T> {
    priority: u8,
    arrival: u64,
    lane: Lane,
    /// What isn't known to be reached.
    needs: Vec<(Table, i64)>,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.cmp(&other.priority).then(other.arrival.cmp(&self.arrival))
    }
}

/// How far a table is, and who waits for it.
#[derive(Debug)]
struct Reached<T> {
    position: i64,
    waiting: BTreeMap<i64, Vec<Entry<T>>>,
}

impl<T> Default for Reached<T> {
    fn default() -> Self {
        Self { position: 0, waiting: BTreeMap::new() }
    }
}

/// The queue. It never drops: being full is told, and the source pauses.
#[derive(Debug)]
pub struct Queue<T> {
    tables: HashMap<Table, Reached<T>>,
    ready: BinaryHeap<Entry<T>>,
    arrivals: u64,
    len: [usize; 2],
    bounds: [usize; 2],
    was_full: [bool; 2],
}

impl<T> Queue<T> {
    /// A queue with these bounds; each is overshot by at most the batch of records that was already fetched.
    #[must_use]
    pub fn new(ordinary_max: usize, urgent_max: usize) -> Self {
        Self {
            tables: HashMap::new(),
            ready: BinaryHeap::new(),
            arrivals: 0,
            len: [0; 2],
            bounds: [ordinary_max, urgent_max],
            was_full: [false; 2],
        }
    }

    /// Adds a request that may start when the tables have reached what it `needs` of them (causality).
    pub fn push(&mut self, lane: Lane, needs: Vec<(Table, i64)>, priority: u8, item: T) {
        self.arrivals += 1;
        self.len[lane.index()] += 1;
        self.place(Entry { priority, arrival: self.arrivals, lane, needs, item });
        self.note_fullness();
    }

    /// To wait for the next table that isn't there yet, or for a worker.
    fn place(&mut self, mut entry: Entry<T>) {
        while let Some((on, needed)) = entry.needs.pop() {
            let table = self.tables.entry(on).or_default();
            if table.position < needed {
                table.waiting.entry(needed).or_default().push(entry);
                return;
            }
        }
        self.ready.push(entry);
    }

    /// The table has reached `position`.
    pub fn table_reached(&mut self, table: Table, position: i64) {
        let table = self.tables.entry(table).or_default();
        table.position = position;
        let later = table.waiting.split_off(&position.saturating_add(1));
        let reached = std::mem::replace(&mut table.waiting, later);
        for entry in reached.into_values().flatten() {
            self.place(entry);
        }
    }

    /// The most urgent request that has the bars it needs; the oldest of those.
    pub fn pop(&mut self) -> Option<T> {
        let entry = self.ready.pop()?;
        self.len[entry.lane.index()] -= 1;
        self.note_fullness();
        Some(entry.item)
    }

    /// What [`Self::pop`] would give.
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.ready.peek().map(|entry| &entry.item)
    }

    /// The table is no longer followed: it stands at 0 again.
    pub fn table_released(&mut self, table: Table) {
        if let Some(table) = self.tables.get_mut(&table) {
            table.position = 0;
        }
    }

    /// Takes out every request, waiting or ready, that `matches`, oldest first.
    pub fn take(&mut self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken: Vec<Entry<T>> = Vec::new();
        for table in self.tables.values_mut() {
            for entries in table.waiting.values_mut() {
                taken.extend(entries.extract_if(.., |entry| matches(&entry.item)));
            }
            table.waiting.retain(|_, entries| !entries.is_empty());
        }
        let mut ready = std::mem::take(&mut self.ready).into_vec();
        taken.extend(ready.extract_if(.., |entry| matches(&entry.item)));
        self.ready = ready.into();
        taken.sort_by_key(|entry| entry.arrival);
        for entry in &taken {
            self.len[entry.lane.index()] -= 1;
        }
        self.note_fullness();
        taken.into_iter().map(|entry| entry.item).collect()
    }

    /// Whether a lane is full: from its bound on, until it has fallen below half of it.
    #[must_use]
    pub fn is_full(&self, lane: Lane) -> bool {
        self.was_full[lane.index()]
    }

    /// Requests in a lane.
    #[must_use]
    pub fn len(&self, lane: Lane) -> usize {
        self.len[lane.index()]
    }

    /// Whether no request is in either lane.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == [0, 0]
    }

    fn note_fullness(&mut self) {
        for lane in 0..2 {
            let (len, bound) = (self.len[lane], self.bounds[lane]);
            self.was_full[lane] = len >= bound || (self.was_full[lane] && len * 2 >= bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(partition: i32, position: i64) -> Vec<(Table, i64)> {
        vec![(Table::Share(partition), position)]
    }

    fn drain(queue: &mut Queue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_highest_priority_goes_first_then_the_oldest() {
        let mut queue = Queue::new(10, 10);
        queue.push(Lane::Ordinary, needs(0, 0), 5, "a");
        queue.push(Lane::Urgent, needs(1, 0), 9, "b");
        queue.push(Lane::Ordinary, needs(2, 0), 5, "c");
        queue.push(Lane::Ordinary, needs(0, 0), 6, "d");
        assert_eq!(drain(&mut queue), ["b", "d", "a", "c"]);
    }

    #[test]
    fn a_request_waits_until_the_table_has_reached_what_it_needs() {
        let mut queue = Queue::new(10, 10);
        queue.table_reached(Table::Share(0), 4);
        queue.push(Lane::Ordinary, needs(0, 5), 5, "needs 5");
        queue.push(Lane::Ordinary, needs(0, 7), 5, "needs 7");
        queue.push(Lane::Ordinary, needs(1, 1), 5, "another partition");
        assert_eq!(drain(&mut queue), [] as [&str; 0]);
        queue.table_reached(Table::Share(0), 5);
        assert_eq!(drain(&mut queue), ["needs 5"]);
        queue.table_reached(Table::Share(0), 9);
        assert_eq!(drain(&mut queue), ["needs 7"]);
        assert_eq!(queue.len(Lane::Ordinary), 1);
    }

    #[test]
    fn a_request_waits_for_all_the_tables_that_it_needs_in_any_order() {
        let reach = [(Table::Share(1), 3), (Table::Global(1), 9), (Table::Global(2), 4)];
        for last in 0..reach.len() {
            let mut queue = Queue::new(10, 10);
            queue.push(Lane::Ordinary, reach.to_vec(), 5, "compares");
            for (place, (table, position)) in reach.into_iter().enumerate() {
                queue.table_reached(table, if place == last { position - 1 } else { position });
            }
            assert_eq!((drain(&mut queue).len(), queue.len(Lane::Ordinary)), (0, 1));
            queue.table_reached(reach[last].0, reach[last].1);
            assert_eq!(drain(&mut queue), ["compares"]);
        }
    }

    #[test]
    fn a_full_lane_stays_full_until_half_and_leaves_the_other_alone() {
        let mut queue = Queue::new(4, 4);
        for _ in 0..4 {
            queue.push(Lane::Ordinary, needs(0, 0), 5, "x");
        }
        assert!(queue.is_full(Lane::Ordinary) && !queue.is_full(Lane::Urgent));
        queue.pop();
        queue.pop();
        assert!(queue.is_full(Lane::Ordinary), "2 of 4 is not below half");
        queue.pop();
        assert!(!queue.is_full(Lane::Ordinary));
    }

    #[test]
    fn what_is_taken_comes_oldest_first_waiting_or_ready() {
        let mut queue = Queue::new(10, 10);
        queue.push(Lane::Ordinary, needs(0, 5), 5, "old");
        queue.push(Lane::Urgent, needs(0, 0), 9, "young");
        queue.push(Lane::Urgent, needs(0, 0), 9, "other");
        assert_eq!(queue.take(|item| *item != "other"), ["old", "young"]);
        assert_eq!(drain(&mut queue), ["other"]);
        assert!(queue.is_empty());
    }
}
