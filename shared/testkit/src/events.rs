//! Events that the simulated Kafka reports to an instance.

use pipeline::{BatchId, InputPartition, Start};

/// A rebalance event that a member receives on its next poll.
#[derive(Debug, Clone)]
pub(crate) enum GroupEvent {
    Assigned(Start, u64),
    Revoked(Vec<InputPartition>),
    Lost,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Committed(BatchId),
    Aborted(BatchId),
    Delivered(BatchId),
    DeliveryFailed(BatchId),
    OffsetsCommitted,
    OffsetCommitFailed,
}
