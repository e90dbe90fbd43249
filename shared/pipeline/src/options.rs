//! What an operator may turn, with the reason of each default.

use std::time::Duration;

use crate::completed_ranges::COMPLETED_RANGES_MAX_BYTES;

/// How outputs and offsets leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and offsets in one transaction: readers of committed records see both or neither.
    Transactional,
    /// Outputs first, offsets when they are acknowledged: a crash in between repeats outputs, never loses one.
    AtLeastOnce,
}

/// The engine's bounds and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How outputs and offsets leave.
    pub mode: Delivery,
    /// Outputs at which a batch closes. 5,000: a transaction's fixed cost is then under a tenth of the whole, and a batch of
    /// 200-byte outputs is about 1 MB. One emission is never split, so a larger one leaves alone.
    pub batch_outputs_max: usize,
    /// Age of the oldest waiting output at which a batch closes although more input waits. 100 ms: what a person takes for at once.
    pub batch_age_max: Duration,
    /// Unresolved records, over all inputs, above which every input is paused; they flow again at half of it.
    /// 50,000: some seconds of a busy stage; a restart repeats no more than this.
    pub held_records_max: u64,
    /// Ledger entries of one input (unresolved records, and completed ones that wait behind them) above which it is paused; it
    /// flows again at half of it. 100,000 entries of 40 bytes: 4 MB, while one stuck record keeps the prefix back.
    pub ledger_records_max: usize,
    /// Bytes of one input's metadata above which it is paused; it flows again at half of it. Counted is what is completed beyond the
    /// prefix, and a byte for each record that is held: two of them may come to enclose a range of two bytes. 1,728 are 75 % of
    /// [`COMPLETED_RANGES_MAX_BYTES`](crate::COMPLETED_RANGES_MAX_BYTES): the rest is for records on their way at the pause, and for longer ranges.
    pub completed_ranges_max_bytes: usize,
    /// Outputs that wait or are in flight above which every input is paused; they flow again at half of it. Four batches.
    pub outputs_max: usize,
    /// How long a revocation or a shutdown may wait for held records. 5 s: with a commit it must stay under the transaction's
    /// timeout (15 s) and the longest poll interval.
    pub drain_budget: Duration,
    /// The least time between two plain commits. 100 ms: at most that much dropped work is judged again after a crash.
    pub commit_interval: Duration,
    /// How long a input waits after a record that couldn't be judged: at first 100 ms, about a leader's election, then twice as long
    /// each time.
    pub defer_wait_first: Duration,
    /// The longest such wait. 5 s: what comes back flows again before anyone has looked; asking so seldom is no load.
    pub defer_wait_max: Duration,
    /// Rejected records in a row at which their input is paused until it is assigned again. 1,000: a producer's bad minute passes
    /// through to the dead letters, a wrong schema doesn't empty a topic into them.
    pub rejects_in_a_row_max: u32,
}

impl Options {
    /// The defaults for one mode of delivery.
    #[must_use]
    pub fn new(mode: Delivery) -> Self {
        Self {
            mode,
            batch_outputs_max: 5_000,
            batch_age_max: Duration::from_millis(100),
            held_records_max: 50_000,
            ledger_records_max: 100_000,
            completed_ranges_max_bytes: COMPLETED_RANGES_MAX_BYTES / 4 * 3,
            outputs_max: 20_000,
            drain_budget: Duration::from_secs(5),
            commit_interval: Duration::from_millis(100),
            defer_wait_first: Duration::from_millis(100),
            defer_wait_max: Duration::from_secs(5),
            rejects_in_a_row_max: 1_000,
        }
    }
}
