//! Settings of the engine, with the reason of each default.

use std::time::Duration;

use crate::completed_ranges::COMPLETED_RANGES_MAX_BYTES;

/// Default of [`Options::originated_outputs_max`].
pub(crate) const ORIGINATED_OUTPUTS_MAX: usize = 100;

/// Bytes of an entry of a ledger.
pub(crate) const ENTRY_BYTES: usize = 40;

/// The way outputs and offsets are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and offsets in one transaction: readers of committed records see both or neither.
    Transactional,
    /// Outputs first, offsets when they are acknowledged: a crash in between repeats outputs and never loses one.
    AtLeastOnce,
}

/// The engine's bounds and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub mode: Delivery,
    /// Outputs at which a batch closes. 5,000: the fixed cost of a transaction is then less than a tenth of the total, and a batch
    /// of 200-byte outputs is about 1 MB. One emission is never split, so a larger one leaves alone.
    pub batch_outputs_max: usize,
    /// Memory of outputs at which a batch closes, as for their number. 4 MiB: 5,000 outputs of 800 bytes. While a batch is in flight, the
    /// shell and the client have a copy each.
    pub batch_bytes_max: usize,
    /// Age of the oldest queued output at which a batch closes although more input is available. 100 ms: a person perceives it as
    /// immediate.
    pub batch_age_max: Duration,
    /// Unresolved records, over all partitions, above which every partition is paused; they resume at half of it. 50,000: a few
    /// seconds of a busy stage, and the most that a restart repeats.
    pub held_records_max: u64,
    /// Ledger entries of one partition (unresolved records, and completed ones that wait for them) above which it is paused; it
    /// resumes at half of it. 30,000 entries, up to 2 MiB of memory, while one unresolved record keeps the prefix back.
    pub ledger_records_max: usize,
    /// Bytes of one partition's commit metadata above which it is paused; it resumes at half of it. Counted are the completed
    /// ranges and one byte for each held record, because two of them may come to enclose a range of two bytes. 1,728 are 75 % of
    /// [`COMPLETED_RANGES_MAX_BYTES`](crate::COMPLETED_RANGES_MAX_BYTES): the rest is for records that arrive after the pause, and
    /// for longer ranges.
    pub completed_ranges_max_bytes: usize,
    /// Outputs, queued or in flight, above which every partition is paused; they resume at half of it. 20,000: four batches.
    pub outputs_max: usize,
    /// Memory of outputs, queued or in flight, above which every partition is paused, as for their number. 16 MiB: four batches.
    pub outputs_bytes_max: usize,
    /// Originated outputs of one partition, queued or in flight, above which its stage may originate no more. 100: the outputs of a few
    /// dozen decisions, while a transaction takes some milliseconds.
    pub originated_outputs_max: usize,
    /// Longest wait of a revocation or a shutdown for held records. 5 s: with a commit it must stay below the transaction timeout
    /// (15 s) and `max.poll.interval.ms`.
    pub drain_budget: Duration,
    /// Shortest interval between two plain commits. 100 ms: at most that much dropped work is processed again after a crash.
    pub commit_interval: Duration,
    /// Wait of a partition after a deferred record. At first 100 ms, about the duration of a leader election; it doubles with each
    /// further deferral.
    pub defer_wait_first: Duration,
    /// Longest such wait. 5 s: a partition resumes before an operator has looked, and a request every 5 s is no load.
    pub defer_wait_max: Duration,
    /// Consecutive rejected records at which their partition stops until it is assigned again. 1,000: a short burst of bad records
    /// reaches the dead-letter topic, but a wrong schema does not move a whole topic there.
    pub consecutive_rejects_max: u32,
}

/// Copies of a batch in flight: of the shell, and in the queue of the client.
const BATCH_COPIES: usize = 2;

/// Records that arrive after a pause: those of the poll that reached the bound.
const POLLED_MAX: usize = 1_000;

/// Estimate of the outputs of such a record.
const POLLED_OUTPUT_BYTES: usize = 6 << 10;

impl Options {
    /// Returns the defaults for a mode of delivery.
    #[must_use]
    pub fn new(mode: Delivery) -> Self {
        Self {
            mode,
            batch_outputs_max: 5_000,
            batch_bytes_max: 4 << 20,
            batch_age_max: Duration::from_millis(100),
            held_records_max: 50_000,
            ledger_records_max: 30_000,
            completed_ranges_max_bytes: COMPLETED_RANGES_MAX_BYTES / 4 * 3,
            outputs_max: 20_000,
            outputs_bytes_max: 16 << 20,
            originated_outputs_max: ORIGINATED_OUTPUTS_MAX,
            drain_budget: Duration::from_secs(5),
            commit_interval: Duration::from_millis(100),
            defer_wait_first: Duration::from_millis(100),
            defer_wait_max: Duration::from_secs(5),
            consecutive_rejects_max: 1_000,
        }
    }

    /// Returns the memory of outputs at their bounds, with the copies of the batch in flight and the outputs of records that were fetched
    /// before the pause.
    #[must_use]
    pub fn outputs_memory_max(&self) -> usize {
        self.outputs_bytes_max + BATCH_COPIES * self.batch_bytes_max + POLLED_MAX * POLLED_OUTPUT_BYTES
    }

    /// Returns the memory of one partition's ledger at its bound. A ledger doubles when it grows, and the allocator keeps the smaller half for
    /// some seconds.
    #[must_use]
    pub fn ledger_bytes_max(&self) -> usize {
        let entries = (self.ledger_records_max + POLLED_MAX).next_power_of_two();
        (entries + entries / 2) * ENTRY_BYTES
    }
}
