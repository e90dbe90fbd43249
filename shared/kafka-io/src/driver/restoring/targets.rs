//! Targets of a restoration: the ends up to which the outputs are read, by partition number.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::Start;

use crate::driver::inputs::TopicPartition;
use crate::driver::stage::Restore;

/// The input partitions of one number that are being restored, and the output partitions of that number.
pub(super) struct PartitionRestore {
    pub(super) starts: Vec<Start>,
    pub(super) since: Instant,
    pub(super) records: u64,
    pub(super) outputs: BTreeMap<Topic, OutputPartition>,
}

/// The position of one output partition, from its start offset to its target.
#[derive(Clone, Copy)]
pub(super) struct OutputPartition {
    /// The maximum age of the records to read.
    pub(super) back: Duration,
    /// The end of the partition after the committed offsets were fetched. `None` until the cluster has returned it.
    pub(super) target: Option<i64>,
    pub(super) begin: i64,
    pub(super) position: i64,
    /// Returns `true` if the consumer reads it.
    pub(super) assigned: bool,
}

impl OutputPartition {
    pub(super) fn new(back: Duration) -> Self {
        Self { back, target: None, begin: 0, position: 0, assigned: false }
    }

    /// `true` if it has records to read and no slot yet.
    pub(super) fn waits(&self) -> bool {
        !self.assigned && self.target.is_some_and(|target| self.position < target)
    }

    /// Returns `true` if records before the target are still to be fetched.
    pub(super) fn is_fetched(&self) -> bool {
        self.assigned && self.target.is_some_and(|target| self.position < target)
    }
}

impl PartitionRestore {
    pub(super) fn is_done(&self) -> bool {
        self.outputs.values().all(|output| output.target.is_some_and(|target| output.position >= target))
    }
}

/// Returns the output partition of a record. `None` if it is not being restored.
pub(super) fn output_of(
    topics: &[Restore],
    partitions: &BTreeMap<i32, PartitionRestore>,
    topic: &str,
    partition: i32,
) -> Option<TopicPartition> {
    let topic = topics.iter().map(|restore| restore.topic).find(|known| known.name() == topic)?;
    partitions.contains_key(&partition).then_some((topic, partition))
}

/// Sets the position of an output partition and counts the `records` that were read.
pub(super) fn advance(
    partitions: &mut BTreeMap<i32, PartitionRestore>,
    (topic, number): TopicPartition,
    position: i64,
    records: u64,
) {
    if let Some(restore) = partitions.get_mut(&number)
        && let Some(output) = restore.outputs.get_mut(&topic)
    {
        restore.records += records;
        output.position = position;
    }
}
