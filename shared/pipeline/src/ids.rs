//! How the engine names what it delivers.

use std::time::Duration;

/// One partition of one of the stage's input topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputPartition {
    /// Index into the stage's list of input topics, in the order of subscription.
    pub topic: u16,
    /// The partition's number.
    pub partition: i32,
}

/// Counts the assignments of one input within this process; raised each time that the partition is assigned.
///
/// A group generation is not it: partitions that are retained live through generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// One input record within one assignment of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    /// Where it came from.
    pub input: InputPartition,
    /// The assignment under which it was delivered; what is said of an older one is discarded (P4).
    pub epoch: Epoch,
    /// Its Kafka offset.
    pub offset: i64,
}

/// The outputs that leave together: one transaction, or one produce batch at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// The time, as the shell read it. The engine never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic time since an arbitrary start: waits, budgets, ages.
    pub monotonic: Duration,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub wall_micros: i64,
}

/// Why a record was dropped: a label from the stage's closed list, never free text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(pub &'static str);
