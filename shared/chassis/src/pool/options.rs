//! Options of a pool.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    /// The name in metrics, health and thread names.
    pub name: &'static str,
    /// The number of threads.
    pub workers: usize,
    /// The number of jobs that may wait, in addition to the running ones.
    pub queue_jobs: usize,
    /// A job that runs longer is stuck.
    pub job_deadline: Duration,
    /// The wait before the first restart of a slot. It doubles with each consecutive failure.
    pub backoff_first: Duration,
    /// The upper bound of that wait.
    pub backoff_max: Duration,
    /// Restarts allowed within `restart_window`, over all slots.
    pub restarts: usize,
    pub restart_window: Duration,
}

/// The pool's restart budget is exhausted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {pool}: restart budget exceeded: more than {restarts} restarts within {window:?}")]
pub struct RestartBudgetExceeded {
    pub(crate) pool: &'static str,
    pub(crate) restarts: usize,
    pub(crate) window: Duration,
}

// === impl Options ===

impl Options {
    /// Returns the default options: job deadline 30 s, back-off from 10 ms to 5 s, 10 restarts per minute.
    #[must_use]
    pub fn new(name: &'static str, workers: usize, queue_jobs: usize) -> Self {
        Self {
            name,
            workers,
            queue_jobs,
            job_deadline: Duration::from_secs(30),
            backoff_first: Duration::from_millis(10),
            backoff_max: Duration::from_secs(5),
            restarts: 10,
            restart_window: Duration::from_secs(60),
        }
    }
}
