//! Failures of a run: the counts of those that occurred, and the deliberate defects that the checks must find.

use tapeline::audit::Stage;

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Digest of all records: topic, partition, key, append time.
    pub(crate) digest: u64,
    pub(crate) records: u64,
    /// Committed transactions.
    pub(crate) transactions: u64,
    /// Transactions aborted while producing, after the offsets were sent, while committing.
    pub(crate) aborts_at: [u64; 3],
    /// Transactions whose producer was gone: aborted, committed.
    pub(crate) orphans: [u64; 2],
    /// Offsets rejected because of the member's generation.
    pub(crate) fenced: u64,
    pub(crate) rebalances: u64,
    /// Sessions that expired.
    pub(crate) lost: u64,
    pub(crate) crashes: u64,
    /// Clients recreated.
    pub(crate) recreated: u64,
    /// Instances that ended after a full drain, and after a drain timeout.
    pub(crate) drained: [u64; 2],
    pub(crate) pauses: u64,
    /// Effects of assignments that had ended.
    pub(crate) stale_effects: u64,
    /// Records that an earlier owner had completed.
    pub(crate) skipped_completed: u64,
    /// Held records released in a drain.
    pub(crate) released: u64,
    /// Records restored from the stage's own outputs.
    pub(crate) restored: u64,
    /// Restorations cancelled by a revocation.
    pub(crate) cancelled: u64,
    /// Table records read.
    pub(crate) table_records: u64,
    /// Work records processed before their table was read to its end.
    pub(crate) ahead_of_tables: u64,
    /// Calls to the source that failed.
    pub(crate) source_errors: u64,
    /// Requests of the keeper.
    pub(crate) keeper_requests: u64,
    /// Chunks written.
    pub(crate) chunks: u64,
    /// Refetches that took their range out of the coverage.
    pub(crate) refetches: u64,
    pub(crate) vectors: u64,
    pub(crate) dead_letters: u64,
}

/// A plausible mistake in the parts around the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A revocation is acknowledged at once, and the emissions of the drain are kept and produced afterwards.
    KeepsEmissionsOverRevocation,
    /// The position of the fetch is committed instead of the resolved prefix.
    CommitsFetchPosition,
    /// A partition is assigned without its restored outputs.
    RestoresNothing,
    /// The tables of this stage are reported as read, and none of their records is delivered.
    SkipsTables(Stage),
    /// The ends of the tables of this stage are not queried before work is processed.
    QueriesNoTableEnds(Stage),
    /// A chunk is produced without its bars.
    LosesBars,
    /// The outputs of an aborted transaction are not produced again.
    DropsAbortedBatch,
}
