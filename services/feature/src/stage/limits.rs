//! Limits of the feature stage.

use std::time::Duration;

use crate::intake::LaneLimits;

/// The number of symbols of a full request. A worker that has fewer gets another request, so an urgent request waits for less than
/// two full ones per worker (ADR 068).
pub const WORKER_SYMBOLS_MAX: usize = contracts::events::SYMBOLS_MAX;

/// Memory of the queued ordinary requests, in bytes, at which their partitions pause: some 5,000 requests of 100 symbols. With
/// [`URGENT_BYTES_MAX`] it is within the memory of held records, 61 MiB, in the sum that is compared with the limit of the container.
pub const ORDINARY_BYTES_MAX: usize = 40 << 20;

/// The same for urgent requests: some 1,000 requests of 100 symbols.
pub const URGENT_BYTES_MAX: usize = 8 << 20;

/// Outputs that are not acknowledged yet, above which no ordinary request is started. If Kafka is slower than the workers, requests then
/// wait where urgent ones overtake them, and not in the engine's queue of outputs, which keeps its order. 1,000: with
/// fewer, urgent requests are not faster (ADR 085).
pub const OUTPUTS_MAX: usize = 1_000;

/// Memory of the results that wait for an earlier one, in bytes, at which no further request is started: some 2,000 vectors. Workers are
/// then idle until the earlier one has ended.
pub const WAITING_RESULTS_BYTES_MAX: usize = 8 << 20;

/// The limits of the stage, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queued ordinary requests at which their partitions pause.
    pub ordinary: LaneLimits,
    /// Queued urgent requests at which their partitions pause.
    pub urgent: LaneLimits,
    /// Time from `requested_at` after which a request expires.
    pub request_ttl: Duration,
    /// Time in which an equal request for a symbol is a duplicate.
    pub dedup_window: Duration,
    /// Requested symbols in the dedup window.
    pub dedup_symbols_max: usize,
    /// Bars of a window.
    pub history_bars: usize,
    /// Bars that are kept in addition to a window, for requests of the past.
    pub slack_bars: usize,
    /// Splits that are held.
    pub splits_max: usize,
    /// Outputs that are not acknowledged, above which no ordinary request is started.
    pub outputs_max: usize,
    /// The most worker threads.
    pub workers_max: usize,
    /// Symbols of the running requests per worker, from which on no further request is started. The driver starts none while it is in
    /// a transaction, so with one small request each, the workers would be idle for most of it.
    pub worker_symbols_max: usize,
    /// Memory of the results that wait for an earlier one, at which no further request is started.
    pub waiting_results_bytes_max: usize,
}

impl Limits {
    /// Returns the maximum number of running jobs, which is reached if each has a single symbol.
    #[must_use]
    pub fn jobs_max(&self) -> usize {
        self.workers_max * (self.worker_symbols_max + 1)
    }
}
