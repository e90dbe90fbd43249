//! Events that the engine receives and actions that it requests. Both lists are closed.

use crate::completed_ranges::CompletedRanges;
use crate::ids::{BatchId, InputPartition};
use crate::stage::Stage;

/// Something that happened outside the engine.
pub enum Event<'a, S: Stage> {
    /// The group assigned these partitions, and the stage has restored their state.
    Assigned(&'a [Start]),
    /// The group revokes these partitions. [`Action::AcknowledgeRevocation`] follows when they are drained.
    Revoked(&'a [InputPartition]),
    /// Another member already owns these partitions: their state is discarded and nothing is committed for them (P4).
    Lost(&'a [InputPartition]),
    /// Records of one partition, in delivery order: (offset, record).
    Records(InputPartition, &'a mut dyn Iterator<Item = (i64, S::Record<'a>)>),
    /// The fetch position of this partition, with every record before it delivered. Offsets up to it that were never delivered are
    /// control records or holes left by compaction.
    EndReached(InputPartition, i64),
    /// Work outside the engine (a worker pool, a fetch from a source) is complete.
    Completed(S::Completion),
    /// At-least-once mode: every output of the batch is acknowledged.
    Delivered(BatchId),
    /// At-least-once mode: some output of the batch was not acknowledged. The batch will be produced again.
    DeliveryFailed(BatchId),
    /// The transaction of the batch is committed, including its offsets.
    Committed(BatchId),
    /// The transaction of the batch was aborted. Its outputs will be produced again; the rules do not run again.
    Aborted(BatchId),
    /// A plain commit of offsets succeeded.
    OffsetsCommitted,
    /// A plain commit of offsets failed with a temporary error.
    OffsetCommitFailed,
    /// The clients were closed and created again: the state of every partition is dropped, and new assignments follow.
    ClientsRecreated,
    /// Time has passed.
    Tick,
    /// The process shuts down: drain, then [`Action::Stop`].
    ShutdownRequested,
}

/// Start of the delivery of a partition, as its last owner committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub input: InputPartition,
    /// The offset of the first record that is delivered.
    pub position: i64,
    /// Ranges after `position` that an earlier owner completed. Their records are delivered and skipped without the rules.
    pub completed: CompletedRanges,
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub input: InputPartition,
    /// The end of the contiguous resolved prefix: the offset of the next record to deliver.
    pub offset: i64,
    /// Ranges after `offset` that are completed. They are stored in the commit metadata, so that a restart does not repeat them.
    pub completed: CompletedRanges,
}

/// A request of the engine. The driver performs actions in order and reports outcomes as events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Produce the batch and commit these positions in one Kafka transaction. `Committed` or `Aborted` follows.
    Transact {
        /// Its outputs: [`Engine::batch`](crate::Engine::batch).
        batch: BatchId,
        /// The prefix of every partition that the batch acts for, even if it has not moved (fencing).
        positions: Vec<Position>,
    },
    /// Produce the batch and wait for all acknowledgements (at-least-once mode). `Delivered` or `DeliveryFailed` follows.
    Produce {
        /// Its outputs: [`Engine::batch`](crate::Engine::batch).
        batch: BatchId,
    },
    /// Commit positions without a transaction. `OffsetsCommitted` or `OffsetCommitFailed` follows.
    Commit { positions: Vec<Position> },
    /// Stop fetching from this partition.
    Pause(InputPartition),
    /// Fetch from this partition again.
    Resume(InputPartition),
    /// Seek to this offset: records from there on are fetched again, and no record that was fetched before is delivered any more.
    /// Requested while the partition is paused.
    Rewind(InputPartition, i64),
    /// Acknowledge the revocation: these partitions are drained, or the drain timed out.
    AcknowledgeRevocation {
        inputs: Vec<InputPartition>,
        /// Records left unresolved by a drain that timed out. They will be redelivered. Released records do not count.
        left: u64,
    },
    /// End the loop.
    Stop(Stop),
}

/// Why the loop ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Everything is drained and committed, except records that the stage released ([`Counts::released`](crate::Counts)) for the
    /// next owner.
    Drained,
    /// The drain timed out. What was held will be redelivered.
    DrainTimedOut {
        /// Records left unresolved.
        held: u64,
    },
    /// The stage cannot continue, for this cause.
    Failed(String),
}
