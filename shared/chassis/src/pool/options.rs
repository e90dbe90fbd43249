//! Options of a pool.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::pool::scaling::Scaling;

#[derive(Debug, Clone)]
pub struct Options {
    /// The name in metrics, health and thread names.
    pub name: &'static str,
    /// The number of threads, and when it changes.
    pub scaling: Scaling,
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
    ///
    /// The pool starts with the least number of workers. It grows when a job has waited for 100 ms, ten times the duration of a usual
    /// one, so that a burst that the workers process at once starts no thread, and a single job after one that hangs gets another worker.
    /// It shrinks after 60 s, longer than the pauses between bursts, so that each burst but the first meets its workers.
    #[must_use]
    pub fn new(name: &'static str, workers: RangeInclusive<usize>, queue_jobs: usize) -> Self {
        Self {
            name,
            scaling: Scaling {
                workers_min: *workers.start(),
                workers_max: *workers.end(),
                grow_after: Duration::from_millis(100),
                shrink_after: Duration::from_secs(60),
            },
            queue_jobs,
            job_deadline: Duration::from_secs(30),
            backoff_first: Duration::from_millis(10),
            backoff_max: Duration::from_secs(5),
            restarts: 10,
            restart_window: Duration::from_secs(60),
        }
    }
}
