//! Identifiers of partitions, assignments, records and batches.

use std::time::Duration;

/// One partition of one of the stage's input topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputPartition {
    /// Index into the stage's list of input topics, in the order of subscription.
    pub topic: u16,
    /// Partition number within the topic.
    pub partition: i32,
}

/// Assignment epoch: counts the assignments of one partition within this process.
///
/// It is not the group generation, because a retained partition lives through generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// One input record within one assignment of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    pub input: InputPartition,
    /// The assignment under which it was delivered. Effects for an older one are discarded (P4).
    pub epoch: Epoch,
    /// Its offset in Kafka.
    pub offset: i64,
}

/// A batch of outputs: one transaction, or one produce batch in at-least-once mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// The current time, as read by the shell. The engine never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since an arbitrary start, for waits, budgets and ages.
    pub monotonic: Duration,
    /// Wall clock, in microseconds since 1970-01-01 UTC.
    pub wall_micros: i64,
}

/// The reason of a drop: a label from the stage's closed list, never free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(pub &'static str);
