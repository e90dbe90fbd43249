//! Requests wait here until their partition's coverage was read; then its table is restored, once for this assignment.

use std::collections::{BTreeMap, VecDeque};

use pipeline::RecordId;

/// The partitions' tables, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Gate {
    tables: BTreeMap<i32, Table>,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// Where it ended when it was last asked.
    end: i64,
    /// Everything before was handed over.
    position: i64,
    /// A request has passed: from here on what is covered is known better here than in the table.
    is_restored: bool,
    /// In order of arrival, hence of the ends that they wait for.
    waiting: VecDeque<(i64, RecordId)>,
}

impl Gate {
    /// The table ends at `end`: requests that come from now on wait for it.
    pub(super) fn ends_at(&mut self, partition: i32, end: i64) {
        self.table(partition).end = end;
    }

    /// Everything before `position` was handed over.
    pub(super) fn reached(&mut self, partition: i32, position: i64) {
        self.table(partition).position = position;
    }

    /// A request comes and waits.
    pub(super) fn wait(&mut self, id: RecordId) {
        let table = self.table(id.input.partition);
        let needs = table.end;
        table.waiting.push_back((needs, id));
        self.waiting += 1;
    }

    /// The requests whose table has reached what they wait for.
    pub(super) fn pass(&mut self) -> Vec<RecordId> {
        let mut passed = Vec::new();
        for table in self.tables.values_mut() {
            while let Some((_, id)) = table.waiting.pop_front_if(|(needs, _)| *needs <= table.position) {
                table.is_restored = true;
                passed.push(id);
            }
        }
        self.waiting -= passed.len();
        passed
    }

    /// Whether the table still tells something new. Once a request has passed, all that was written before the assignment is read,
    /// and what follows is this stage's own: it must not roll back what was covered since.
    pub(super) fn is_restored(&self, partition: i32) -> bool {
        self.tables.get(&partition).is_some_and(|table| table.is_restored)
    }

    /// These requests wait no longer; their tables stay as they are.
    pub(super) fn give_back(&mut self, goes: impl Fn(&RecordId) -> bool) {
        for table in self.tables.values_mut() {
            table.waiting.retain(|(_, id)| !goes(id));
        }
        self.waiting = self.tables.values().map(|table| table.waiting.len()).sum();
    }

    /// The partition has gone, and its table with it: it begins again from its start.
    pub(super) fn forget(&mut self, partition: i32) {
        if let Some(table) = self.tables.remove(&partition) {
            self.waiting -= table.waiting.len();
        }
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn table(&mut self, partition: i32) -> &mut Table {
        self.tables.entry(partition).or_default()
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{Epoch, InputPartition, RecordId};

    use super::Gate;

    fn id(partition: i32, offset: i64) -> RecordId {
        RecordId { input: InputPartition { topic: 0, partition }, epoch: Epoch(1), offset }
    }

    #[test]
    fn a_request_passes_when_its_table_has_reached_the_end_that_it_had() {
        let mut gate = Gate::default();
        gate.ends_at(0, 5);
        gate.wait(id(0, 1));
        gate.ends_at(0, 7);
        gate.wait(id(0, 2));
        gate.wait(id(1, 9));
        assert_eq!(gate.pass(), [id(1, 9)], "an empty table is read already");
        gate.reached(0, 5);
        assert_eq!((gate.pass(), gate.waiting()), (vec![id(0, 1)], 1));
        gate.reached(0, 7);
        assert_eq!((gate.pass(), gate.waiting()), (vec![id(0, 2)], 0));
    }

    #[test]
    fn a_partition_that_comes_back_is_read_again() {
        let mut gate = Gate::default();
        gate.ends_at(0, 5);
        gate.reached(0, 5);
        gate.wait(id(0, 1));
        assert!(!gate.is_restored(0));
        assert_eq!(gate.pass(), [id(0, 1)]);
        assert!(gate.is_restored(0));
        gate.wait(id(0, 2));
        gate.forget(0);
        assert!(!gate.is_restored(0) && gate.waiting() == 0);
        gate.ends_at(0, 5);
        gate.wait(id(0, 3));
        assert_eq!(gate.pass(), []);
    }
}
