//! Limits of the feature stage.

use std::time::Duration;

/// The number of symbols of a full request. A worker that has fewer gets another request, so an urgent request waits for less than
/// two full ones per worker (ADR 068).
pub const WORKER_SYMBOLS_MAX: usize = contracts::events::SYMBOLS_MAX;

/// The limits of the stage, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Queued ordinary requests at which their partitions pause.
    pub ordinary_max: usize,
    /// Queued urgent requests at which their partitions pause.
    pub urgent_max: usize,
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
    /// The most worker threads.
    pub workers_max: usize,
    /// Symbols of the running requests per worker, from which on no further request is started. The driver starts none while it is in
    /// a transaction, so with one small request each, the workers would be idle for most of it.
    pub worker_symbols_max: usize,
}

impl Limits {
    /// Returns the maximum number of running jobs, which is reached if each has a single symbol.
    #[must_use]
    pub fn jobs_max(&self) -> usize {
        self.workers_max * (self.worker_symbols_max + 1)
    }
}
