//! What happens to the engine, and what it asks for. Both lists are closed.

use crate::completed_ranges::CompletedRanges;
use crate::ids::{BatchId, InputPartition};
use crate::stage::Stage;

/// Something that happened outside.
pub enum Event<'a, S: Stage> {
    /// The group gave these partitions to us, and what the stage restores of them is restored.
    Assigned(&'a [Start]),
    /// The group wants these partitions back; answered by [`Action::AcknowledgeRevocation`] when drained.
    Revoked(&'a [InputPartition]),
    /// These partitions are already someone else's: discard without a word (P4).
    Lost(&'a [InputPartition]),
    /// Records of one input, in delivery order: (offset, record).
    Records(InputPartition, &'a mut dyn Iterator<Item = (i64, S::Record<'a>)>),
    /// Fetching of this input stands at `position` with nothing before it undelivered: offsets up to it that were never
    /// delivered are control records or holes left by compaction.
    EndReached(InputPartition, i64),
    /// Work done elsewhere has ended.
    Completed(S::Completion),
    /// At least once: every output of the batch is acknowledged.
    Delivered(BatchId),
    /// At least once: some output of the batch was not acknowledged; the batch will be produced again.
    DeliveryFailed(BatchId),
    /// The batch's transaction is committed, its offsets with it.
    Committed(BatchId),
    /// The batch's transaction was aborted; its outputs will be produced again, the rules do not run again.
    Aborted(BatchId),
    /// A plain commit of offsets succeeded.
    OffsetsCommitted,
    /// A plain commit of offsets failed in a way that a later one can mend.
    OffsetCommitFailed,
    /// The client was lost and built anew: every partition's state is dropped, assignments follow.
    ClientsRecreated,
    /// Time has passed.
    Tick,
    /// The process is asked to end: drain, then [`Action::Stop`].
    ShutdownRequested,
}

/// Where delivery of a input begins, as its last owner left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The partition.
    pub input: InputPartition,
    /// The offset of the first record that is delivered.
    pub position: i64,
    /// What behind it an earlier owner had completed: delivered again, and passed over without the rules.
    pub completed: CompletedRanges,
}

/// The next offset to read of a input, and what is said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub input: InputPartition,
    /// The end of the contiguous resolved prefix: the offset of the next record to deliver.
    pub offset: i64,
    /// What is completed behind it: goes into the commit's metadata, so that a restart repeats nothing of it.
    pub completed: CompletedRanges,
}

/// Something that the engine wants done. The driver performs actions in order and answers with events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Produce the batch and commit these positions in one Kafka transaction → `Committed` or `Aborted`.
    Transact {
        /// Its outputs: [`Engine::batch`](crate::Engine::batch).
        batch: BatchId,
        /// The prefix of every partition that the batch acts for, also when unmoved (fencing).
        positions: Vec<Position>,
    },
    /// At least once: produce the batch and wait for all acknowledgements → `Delivered` or `DeliveryFailed`.
    Produce {
        /// Its outputs: [`Engine::batch`](crate::Engine::batch).
        batch: BatchId,
    },
    /// Commit positions without a transaction → `OffsetsCommitted` or `OffsetCommitFailed`.
    Commit {
        /// What to commit.
        positions: Vec<Position>,
    },
    /// Stop fetching from this input.
    Pause(InputPartition),
    /// Fetch from this input again.
    Resume(InputPartition),
    /// Go back to this offset: what was fetched from there on comes again, and nothing that was fetched before is delivered any more.
    /// Asked while the input is paused.
    Rewind(InputPartition, i64),
    /// These inputs are drained (or the budget is spent): give them back.
    AcknowledgeRevocation {
        /// What to give back.
        inputs: Vec<InputPartition>,
        /// Records left unresolved with the budget spent: they come again to the next owner. Those that the stage gave back are none
        /// of them.
        left: u64,
    },
    /// End the loop.
    Stop(Stop),
}

/// Why the loop ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Everything was drained and committed, but for records that the stage gave back ([`Counts::released`](crate::Counts)): these
    /// are left to the next owner by intent.
    Drained,
    /// The drain budget was spent; what was held will be delivered again.
    DrainTimedOut {
        /// Records left unresolved.
        held: u64,
    },
    /// A rule said that it can't go on.
    Failed(String),
}
