//! Positions and known ends of the partitions of all tables.

use std::collections::{BTreeMap, HashMap};

use contracts::Topic;
use kafka_io::TableScope;

use super::action_table::ACTION_TOPIC;
use super::bar_table::BAR_TOPIC;
use crate::intake::TablePartition;

/// The tables that are co-partitioned with the requests.
pub const TABLES: [Topic; 2] = [BAR_TOPIC, ACTION_TOPIC];

/// The progress of a partition of a co-partitioned table.
#[derive(Debug, Default)]
struct Read {
    /// `None` until the partition was read up to a position, 0 for an empty partition.
    position: Option<i64>,
    /// The last known end; 0 before it is known.
    end: i64,
}

/// The progress of every table partition, whatever the table holds.
#[derive(Debug, Default)]
pub(super) struct TableProgress {
    co_partitioned: HashMap<(Topic, i32), Read>,
    global_ends: BTreeMap<(Topic, i32), i64>,
}

impl TableProgress {
    pub(super) fn set_position(&mut self, table: TablePartition, position: i64) {
        if table.scope == TableScope::CoPartitioned {
            self.co_partitioned.entry((table.topic, table.partition)).or_default().position = Some(position);
        }
    }

    pub(super) fn set_end(&mut self, table: TablePartition, end: i64) {
        let of = (table.topic, table.partition);
        match table.scope {
            TableScope::CoPartitioned => self.co_partitioned.entry(of).or_default().end = end,
            TableScope::Global => {
                self.global_ends.insert(of, end);
            }
        }
    }

    /// Discards the progress of a partition of a co-partitioned table.
    pub(super) fn release(&mut self, topic: Topic, partition: i32) {
        self.co_partitioned.remove(&(topic, partition));
    }

    /// Returns `true` if this partition of a co-partitioned table was read, and up to its last known end. Ends are known only of
    /// partitions with requests.
    pub(super) fn is_read(&self, topic: Topic, partition: i32) -> bool {
        let read = self.co_partitioned.get(&(topic, partition));
        read.is_some_and(|read| read.position.is_some_and(|position| position >= read.end))
    }

    /// Returns the table positions that must be reached before a request of this partition that is admitted now is computed: those of
    /// all tables, also of such as the request does not use. Otherwise it would overtake requests that do (P8).
    pub(super) fn needs(&self, partition: i32) -> Vec<(TablePartition, i64)> {
        let own = TABLES.iter().filter_map(|&topic| {
            let read = self.co_partitioned.get(&(topic, partition))?;
            Some((TablePartition { scope: TableScope::CoPartitioned, topic, partition }, read.end))
        });
        let global = self.global_ends.iter().map(|(&(topic, partition), end)| {
            (TablePartition { scope: TableScope::Global, topic, partition }, *end)
        });
        own.chain(global).collect()
    }
}
