//! Gate in front of the fetches: a request waits until the coverage of its partition is restored, once per assignment.

use std::collections::{BTreeMap, VecDeque};

use pipeline::RecordId;

/// The progress of the coverage table per partition, and the requests that wait for it.
#[derive(Debug, Default)]
pub(super) struct CoverageGate {
    partitions: BTreeMap<i32, TableProgress>,
    waiting: usize,
}

#[derive(Debug, Default)]
struct TableProgress {
    /// The end of the table at the last query.
    end: i64,
    /// All records before this offset are processed.
    position: i64,
    /// A request has passed, or the table has reached its end at assignment: from now on the stage's own coverage is newer than the table.
    is_restored: bool,
    /// The requests with the end that each waits for, both ascending.
    waiting: VecDeque<(i64, RecordId)>,
}

impl CoverageGate {
    /// Sets the end of the table, which requests wait for from now on.
    pub(super) fn ends_at(&mut self, partition: i32, end: i64) {
        self.table(partition).end = end;
    }

    /// Sets the position of the table: all records before it are processed.
    pub(super) fn reached(&mut self, partition: i32, position: i64) {
        self.table(partition).position = position;
    }

    /// The table has reached the end that it had at assignment: from now on the stage's own coverage is newer.
    pub(super) fn loaded(&mut self, partition: i32) {
        self.table(partition).is_restored = true;
    }

    /// Returns the position of the table.
    pub(super) fn position(&self, partition: i32) -> i64 {
        self.partitions.get(&partition).map_or(0, |table| table.position)
    }

    /// Adds a request, which waits for the current end of the table.
    pub(super) fn add(&mut self, id: RecordId) {
        let table = self.table(id.input.partition);
        let end = table.end;
        table.waiting.push_back((end, id));
        self.waiting += 1;
    }

    /// Removes and returns the requests whose table has reached the end that they wait for.
    pub(super) fn pass(&mut self) -> Vec<RecordId> {
        let mut passed = Vec::new();
        for table in self.partitions.values_mut() {
            while let Some((_, id)) = table.waiting.pop_front_if(|(end, _)| *end <= table.position) {
                table.is_restored = true;
                passed.push(id);
            }
        }
        self.waiting -= passed.len();
        passed
    }

    /// Returns `true` if all records from before the assignment are processed. Later ones are the stage's own
    /// and must not revert the coverage.
    pub(super) fn is_restored(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|table| table.is_restored)
    }

    /// Removes these requests; the progress of their tables remains.
    pub(super) fn release(&mut self, is_released: impl Fn(&RecordId) -> bool) {
        for table in self.partitions.values_mut() {
            table.waiting.retain(|(_, id)| !is_released(id));
        }
        self.waiting = self.partitions.values().map(|table| table.waiting.len()).sum();
    }

    /// Removes a partition. Its table is restored from the start at the next assignment.
    pub(super) fn remove(&mut self, partition: i32) {
        if let Some(table) = self.partitions.remove(&partition) {
            self.waiting -= table.waiting.len();
        }
    }

    /// Returns the number of waiting requests.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn table(&mut self, partition: i32) -> &mut TableProgress {
        self.partitions.entry(partition).or_default()
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{Epoch, InputPartition, RecordId};

    use super::CoverageGate;

    fn id(partition: i32, offset: i64) -> RecordId {
        RecordId { input: InputPartition { topic: 0, partition }, epoch: Epoch(1), offset }
    }

    #[test]
    fn request_passes_when_its_table_reaches_the_end() {
        let mut gate = CoverageGate::default();
        gate.ends_at(0, 5);
        gate.add(id(0, 1));
        gate.ends_at(0, 7);
        gate.add(id(0, 2));
        gate.add(id(1, 9));
        assert_eq!(gate.pass(), [id(1, 9)], "an empty table is restored at once");
        gate.reached(0, 5);
        assert_eq!((gate.pass(), gate.waiting()), (vec![id(0, 1)], 1));
        gate.reached(0, 7);
        assert_eq!((gate.pass(), gate.waiting()), (vec![id(0, 2)], 0));
    }

    #[test]
    fn reassigned_partition_is_restored_again() {
        let mut gate = CoverageGate::default();
        gate.ends_at(0, 5);
        gate.reached(0, 5);
        gate.add(id(0, 1));
        assert!(!gate.is_restored(0));
        assert_eq!(gate.pass(), [id(0, 1)]);
        assert!(gate.is_restored(0));
        gate.add(id(0, 2));
        gate.remove(0);
        assert!(!gate.is_restored(0) && gate.waiting() == 0);
        gate.ends_at(0, 5);
        gate.add(id(0, 3));
        assert_eq!(gate.pass(), []);
    }
}
