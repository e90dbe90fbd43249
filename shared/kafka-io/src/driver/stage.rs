//! What a stage is to the driver, beyond the engine's [`Stage`](pipeline::Stage).

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Topic;
use pipeline::{Now, Stage};

use crate::record::{InRecord, OutRecord};
use crate::wire::Unavailable;

/// One number of a stage's own, for its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// From the stage's closed list: a label.
    pub name: &'static str,
    /// How much of it there is now.
    pub value: u64,
}

/// What became of a record of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRecord {
    /// It is in the table, or needn't be.
    Taken,
    /// Nothing can be taken from it, now or later: the table goes on without it, and its stage is degraded.
    Skipped,
}

/// One of a stage's own output topics, of which it reads the youngest records again when a partition comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// The topic.
    pub topic: Topic,
    /// How far back by append time. On a cluster that can't find offsets by time (the embedded broker) it is read from its start.
    pub back: Duration,
}

/// A stage over Kafka records, and the tables that it reads beside its work.
///
/// A table is a topic of which the driver follows, from its start, the partitions with the numbers of those that the stage's
/// group gave to this instance. Causality: before a batch of work is judged, [`table_end`](Self::table_end) says where the
/// tables of its partitions end now; once [`table_position`](Self::table_position) has reached that, every table record that
/// was acknowledged before the work record was produced has been handed over.
pub trait KafkaStage: for<'a> Stage<Record<'a> = InRecord<'a>, Output = OutRecord> {
    /// The tables, co-partitioned with the work.
    fn tables(&self) -> &[Topic] {
        &[]
    }

    /// One record of a table, in order within its partition.
    ///
    /// # Errors
    /// When the registry can't be asked how to read it: the same record comes again later.
    fn table_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let _ = record;
        Ok(TableRecord::Taken)
    }

    /// Everything before `position` of this table's partition was handed over.
    fn table_position(&mut self, topic: Topic, partition: i32, position: i64) {
        let _ = (topic, partition, position);
    }

    /// This table's partition ends at `end`, records of open transactions included; the work records that follow were fetched
    /// before it was asked.
    fn table_end(&mut self, topic: Topic, partition: i32, end: i64) {
        let _ = (topic, partition, end);
    }

    /// Partitions that every instance follows, whatever the group gives it: global tables, with the causality of the others. Read from
    /// their start by a consumer of their own, so a partition may be here and in the stage's share at once. Always the same answer.
    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        BTreeSet::new()
    }

    /// [`table_record`](Self::table_record) of a global table.
    ///
    /// # Errors
    /// When the registry can't be asked how to read it: the same record comes again later.
    fn global_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let _ = record;
        Ok(TableRecord::Taken)
    }

    /// [`table_position`](Self::table_position) of a global table. It falls to 0 when the clients are given up, and all comes again.
    fn global_position(&mut self, topic: Topic, partition: i32, position: i64) {
        let _ = (topic, partition, position);
    }

    /// [`table_end`](Self::table_end) of a global table.
    fn global_end(&mut self, topic: Topic, partition: i32, end: i64) {
        let _ = (topic, partition, end);
    }

    /// What of its own outputs it reads again when a partition comes: outputs and offsets leave together, so the outputs are the
    /// state. For each input partition that comes, these topics' partitions of the same number are read, committed records alone,
    /// up to where they ended after the partition's stable committed offset was fetched. Only then
    /// [`assigned`](pipeline::Stage::assigned) follows, and the first record is judged.
    fn restores(&self) -> &[Restore] {
        &[]
    }

    /// One record of such a topic, in order within its topic's partition; before [`assigned`](pipeline::Stage::assigned). One that
    /// can't be decoded is skipped and counted by the stage.
    ///
    /// # Errors
    /// When the registry can't be asked how to read it: the same record comes again later.
    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        let _ = (record, now);
        Ok(())
    }

    /// The partition went before it was restored: forget what was restored of it.
    fn restore_abandoned(&mut self, partition: i32) {
        let _ = partition;
    }

    /// What the stage itself has counted since it was made, by names from a closed list: metrics beside the driver's own. A
    /// gauge's value may fall.
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    /// The table's partition is no longer followed: forget what was read of it.
    fn table_released(&mut self, topic: Topic, partition: i32) {
        let _ = (topic, partition);
    }
}
