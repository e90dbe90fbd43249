//! Counts of a run.

/// Counts of a run: two runs of one seed are equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Digest of every step of the trace.
    pub trace_digest: u64,
    pub records: u64,
    /// Committed transactions.
    pub transactions: u64,
    /// Transactions aborted while producing, after the offsets were sent, while committing.
    pub aborts_at: [u64; 3],
    /// Batches with an output that was not acknowledged.
    pub delivery_failures: u64,
    pub commits: u64,
    /// Offsets rejected because of the member's generation.
    pub fenced: u64,
    pub rebalances: u64,
    /// Sessions that expired.
    pub lost: u64,
    /// Instances that crashed.
    pub crashes: u64,
    /// Clients recreated.
    pub recreated: u64,
    /// Instances that ended after a full drain.
    pub drained: u64,
    /// Instances that ended after a drain timeout.
    pub budgets_spent: u64,
    /// Instances that ended because a rule failed.
    pub failed: u64,
    pub pauses: u64,
    /// Effects of assignments that had ended.
    pub stale_effects: u64,
    /// Records that were skipped because an earlier owner had completed them.
    pub skipped_completed: u64,
    /// Partitions that were rewound after a deferred record.
    pub rewinds: u64,
    /// Held records released in a drain.
    pub released: u64,
    /// Outputs that were originated by instances that are gone.
    pub originated: u64,
    /// Those of them that were not acknowledged.
    pub originated_discarded: u64,
    /// Transactions with originated outputs, by the step of their abort as in `aborts_at`.
    pub originated_aborts_at: [u64; 3],
    /// Transactions with originated outputs whose producer went away while their offsets were pending: aborted, committed.
    pub originated_orphans: [u64; 2],
}
