//! Interface of a stage to the driver, in addition to the engine's [`Stage`](pipeline::Stage).

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Topic;
use pipeline::{Now, Stage};

use crate::record::{InRecord, OutRecord};
use crate::wire::Unavailable;

/// The current value of a metric of a stage, exported with the labels `service` and `stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// The name of the metric: a counter if it ends in `_total`, otherwise a gauge.
    pub name: &'static str,
    /// The value. A counter's is the total since the stage was created.
    pub value: u64,
}

/// Use and limit of a bound of a stage, exported as `tapeline_stage_bound_used` and `tapeline_stage_bound_limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The value of the label `bound`.
    pub name: &'static str,
    /// The current use.
    pub used: u64,
    /// The limit; 0 if it depends on the assigned partitions and there are none.
    pub limit: u64,
}

/// Which instances read a partition of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableScope {
    /// The instance that owns the work partition of the same number: [`KafkaStage::tables`].
    CoPartitioned,
    /// Every instance: [`KafkaStage::globals`].
    Global,
}

/// Outcome of a table record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRecord {
    /// The record is in the table, or the table does not need it.
    Taken,
    /// The record is unusable, now and later: the table continues without it, and the stage is degraded.
    Skipped,
}

/// One of a stage's own output topics, whose latest records the stage reads when a partition is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// The topic.
    pub topic: Topic,
    /// The maximum age of the records, by append time. A cluster that cannot find offsets by time (the embedded broker) reads the
    /// topic from its start.
    pub back: Duration,
}

/// A stage over Kafka records, with its side inputs: tables and restored outputs.
///
/// The driver reads a table from its start or from [`table_back`](Self::table_back), without a group. A co-partitioned table is followed in the partitions whose numbers are
/// those of the assigned work partitions. Causality: before a batch of work is processed, [`table_end`](Self::table_end) receives
/// the current ends of the tables of its partitions. As soon as [`table_position`](Self::table_position) has reached such an end, the
/// stage has received every table record that was acknowledged before the work record was produced.
pub trait KafkaStage: for<'a> Stage<Record<'a> = InRecord<'a>, Output = OutRecord> {
    /// Returns the tables that are co-partitioned with the work.
    fn tables(&self) -> &[Topic] {
        &[]
    }

    /// Returns the maximum age of the records that are read of a co-partitioned table, by append time. `None`: it is read from its start, as is
    /// every table of a cluster that cannot find offsets by time (the embedded broker). The result must not change.
    fn table_back(&self, topic: Topic) -> Option<Duration> {
        let _ = topic;
        None
    }

    /// Returns `true` if the stage changes what it holds of this co-partitioned table ahead of the topic, which it writes. Its partitions are released
    /// whenever the clients lose them, and read again with the next assignment. The result must not change.
    fn is_own_table(&self, topic: Topic) -> bool {
        let _ = topic;
        false
    }

    /// Returns the partitions of global tables. A separate consumer reads them, so a partition may be read in both scopes at once.
    /// The result must not change.
    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        BTreeSet::new()
    }

    /// Receives a record of a table, in order within its partition.
    ///
    /// # Errors
    /// If the registry is unavailable, so that the record cannot be decoded now: the driver retries the record later.
    fn table_record(&mut self, scope: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let _ = (scope, record);
        Ok(TableRecord::Taken)
    }

    /// Receives the position of a table's partition: the stage has received everything before it. A global table's falls to 0 when
    /// the clients are recreated; its records are then delivered again.
    fn table_position(&mut self, scope: TableScope, topic: Topic, partition: i32, position: i64) {
        let _ = (scope, topic, partition, position);
    }

    /// Receives the end of a table's partition, records of open transactions included. The work records that follow were fetched
    /// before the end was queried.
    fn table_end(&mut self, scope: TableScope, topic: Topic, partition: i32, end: i64) {
        let _ = (scope, topic, partition, end);
    }

    /// The partition of a table has been read up to the end that it had after the stable committed offset of its work partition was
    /// fetched: what an earlier owner committed is complete. Once while the partition is followed, perhaps before
    /// [`assigned`](pipeline::Stage::assigned).
    fn table_loaded(&mut self, scope: TableScope, topic: Topic, partition: i32) {
        let _ = (scope, topic, partition);
    }

    /// Discards what was read of a partition of a co-partitioned table: the partition is no longer followed.
    fn table_released(&mut self, topic: Topic, partition: i32) {
        let _ = (topic, partition);
    }

    /// Returns the output topics that are read when an input partition is assigned. Outputs and offsets are committed together, so
    /// the outputs are the state. For each assigned input partition the driver reads the committed records of these topics'
    /// partitions of the same number, up to their ends after the stable committed offset of the input partition was fetched. Then
    /// [`assigned`](pipeline::Stage::assigned) follows, and the first record is processed.
    fn restores(&self) -> &[Restore] {
        &[]
    }

    /// Receives a record of such a topic, in order within its partition, before [`assigned`](pipeline::Stage::assigned). The stage
    /// skips and counts a record that cannot be decoded.
    ///
    /// # Errors
    /// If the registry is unavailable, so that the record cannot be decoded now: the driver retries the record later.
    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        let _ = (record, now);
        Ok(())
    }

    /// Discards what was restored of a partition: it was revoked before its restoration was complete.
    fn restore_abandoned(&mut self, partition: i32) {
        let _ = partition;
    }

    /// Returns the stage's own metrics. The set of names must not change.
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    /// Returns the stage's own bounds, in addition to those of the engine. The set of names must not change.
    fn bounds(&self) -> Vec<Bound> {
        Vec::new()
    }
}
