//! Pool of OS threads for long-running work: feature computation, fetches.
//!
//! ```text
//! slot:  idle ──takes a job──> busy ──done──> idle
//!                              busy ──panic, or deadline exceeded──> vacant ──back-off──> idle, with a new worker
//! unused ──pool grows──> idle ──pool shrinks──> unused
//! any ──pool closed and queue empty──> ended
//! ```
//!
//! Each accepted job ends in exactly one [`Outcome`]. The outcome of a job that panicked or got stuck contains the job, so that the
//! caller can retry it. A stuck thread can't be ended: its slot gets a new worker, and the result of the old one is discarded. A budget
//! bounds the restarts. When it is exhausted, the pool's supervisor fails, which ends the process.
//!
//! The number of workers follows the load ([`Scaling`]). A worker is removed between two jobs, never during one.
//!
//! The pool does not order jobs or retry them.

mod budget;
mod options;
mod outcome;
mod scaling;
mod shared;
mod state;
mod telemetry;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::failure::Failure;
use crate::health::ServiceHealth;
use crate::lock::locked;
use crate::telemetry::Scope;

pub use options::{Options, RestartBudgetExceeded};
pub use outcome::Outcome;
pub use scaling::Scaling;
pub use telemetry::{JOBS, QUEUE, QUEUE_CAPACITY, RESTARTS, SCALE_STEPS, TARGET_WORKERS, WORKERS};

use scaling::Direction;
use shared::Shared;
use state::Step;

/// The pool. Clones share it; [`Pool::close`] ends it.
pub struct Pool<J, R> {
    shared: Arc<Shared<J, R>>,
}

// === impl Pool ===

impl<J: Send + Sync + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts the least number of workers. Each worker calls `make` once and runs its jobs with the result. Outcomes are passed to
    /// `report`, on the thread of the worker or of the supervisor, which may block there.
    ///
    /// Without its [`supervisor`](Self::supervisor) a pool never replaces a worker, and never grows or shrinks.
    ///
    /// # Errors
    /// The operating system can't start a thread.
    pub fn start<W: FnMut(&J) -> R + 'static>(
        options: Options,
        clock: Arc<dyn Clock>,
        scope: &Scope,
        make: impl Fn() -> W + Send + Sync + 'static,
        report: impl Fn(Outcome<J, R>) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(options, clock, scope, make, report));
        for slot in 0..shared.options.scaling.workers_min {
            worker::spawn(&shared, slot, 0)?;
        }
        shared.telemetry.workers(&locked(&shared.state));
        Ok(Self { shared })
    }

    /// Queues a job.
    ///
    /// # Errors
    /// Returns the job if the queue is full or the pool is closed.
    pub fn try_submit(&self, job: J) -> Result<(), J> {
        let wakes_supervisor = {
            let mut state = locked(&self.shared.state);
            if state.closed || state.jobs.len() >= self.shared.options.queue_jobs {
                return Err(job);
            }
            let wakes = state.submit(job, self.shared.clock.monotonic());
            self.shared.telemetry.queued(state.jobs.len());
            wakes
        };
        self.shared.work.notify_one();
        if wakes_supervisor {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Reports the number of jobs that the caller holds until a worker has capacity, for example to order them. While all workers are
    /// busy, the pool grows for them as for queued ones.
    pub fn set_held_jobs(&self, jobs: usize) {
        let mut state = locked(&self.shared.state);
        if state.held_jobs() != jobs && state.hold(jobs, self.shared.clock.monotonic()) {
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// Returns the number of workers that the pool should have: a removed one may still have its last job.
    #[must_use]
    pub fn target_workers(&self) -> usize {
        locked(&self.shared.state).target()
    }

    /// Returns the number of workers that have a job or wait for one.
    #[must_use]
    pub fn workers(&self) -> usize {
        locked(&self.shared.state).workers()
    }

    /// Rejects further jobs. The workers end when the queue is empty.
    pub fn close(&self) {
        locked(&self.shared.state).closed = true;
        self.shared.work.notify_all();
        self.shared.changed.notify_all();
    }

    /// Returns the number of jobs that wait for a worker.
    #[must_use]
    pub fn queued(&self) -> usize {
        locked(&self.shared.state).jobs.len()
    }

    /// Returns the number of running jobs.
    #[must_use]
    pub fn busy(&self) -> usize {
        locked(&self.shared.state).busy()
    }

    /// Reports the jobs that exceeded their deadline, starts new workers in the slots whose back-off has elapsed, and takes the step of
    /// the scaling that is due.
    ///
    /// # Errors
    /// A new worker would exceed the restart budget.
    pub fn check(&self) -> Result<(), RestartBudgetExceeded> {
        let shared = &self.shared;
        let now = shared.clock.monotonic();
        let overdue = locked(&shared.state).take_overdue(now, shared.options.job_deadline);
        for (job, after) in overdue {
            tracing::error!(
                pool = shared.options.name,
                ?after,
                "worker stuck: job deadline exceeded, replacing the worker"
            );
            shared.telemetry.stuck.increment(1);
            (shared.report)(Outcome::Stuck { job, after });
        }
        self.restart(now)?;
        self.scale(now);
        shared.telemetry.workers(&locked(&shared.state));
        Ok(())
    }

    fn restart(&self, now: Duration) -> Result<(), RestartBudgetExceeded> {
        let shared = &self.shared;
        loop {
            let due = locked(&shared.state).fill_one(now, &shared.options)?;
            let Some((slot, generation)) = due else { return Ok(()) };
            shared.telemetry.restarts.increment(1);
            if let Err(error) = worker::spawn(shared, slot, generation) {
                tracing::error!(pool = shared.options.name, %error, "failed to start worker");
                locked(&shared.state).vacate(slot, generation, now);
            }
        }
    }

    fn scale(&self, now: Duration) {
        let shared = &self.shared;
        let Some(Step { direction, load, start }) = locked(&shared.state).scale(now) else { return };
        if let Some((slot, generation)) = start
            && let Err(error) = worker::spawn(shared, slot, generation)
        {
            tracing::warn!(pool = shared.options.name, %error, "failed to grow: no thread");
            locked(&shared.state).undo_growth(slot, now);
            return;
        }
        let target_workers = locked(&shared.state).target();
        tracing::debug!(
            pool = shared.options.name,
            direction = direction.as_str(),
            target_workers,
            waiting_jobs = load.waiting(),
            "pool scaled"
        );
        shared.telemetry.step(direction);
        if direction == Direction::Down {
            // An idle worker ends. If it took a job meanwhile, the first one that has none ends.
            shared.work.notify_one();
        }
    }

    /// Returns the supervisor's loop, for [`crate::Tasks::thread`] with [`crate::EndPolicy::MustRun`]. It checks the pool until the pool is
    /// closed and its last worker has ended.
    pub fn supervisor(
        &self,
        health: &ServiceHealth,
    ) -> impl FnOnce() -> Result<(), Failure> + Send + use<J, R> {
        let deadline = self.shared.options.job_deadline;
        self.supervisor_of(health, (deadline / 4).clamp(Duration::from_millis(5), Duration::from_secs(1)))
    }

    /// Returns the supervisor's loop with this longest time between two checks.
    fn supervisor_of(
        &self,
        health: &ServiceHealth,
        period: Duration,
    ) -> impl FnOnce() -> Result<(), Failure> + Send + use<J, R> {
        let pool = self.clone();
        let options = &self.shared.options;
        let latch = health.component(options.name);
        let heartbeat = health.heartbeat(options.name, period * 10);
        latch.ready();
        move || {
            loop {
                heartbeat.beat();
                if let Err(exceeded) = pool.check() {
                    latch.not_ready(exceeded.to_string());
                    return Err(exceeded.into());
                }
                let mut state = locked(&pool.shared.state);
                if state.is_over() {
                    return Ok(());
                }
                let wait = state.plan_check(pool.shared.clock.monotonic(), period);
                drop(pool.shared.changed.wait_timeout(state, wait));
            }
        }
    }
}

impl<J, R> Clone for Pool<J, R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<J, R> std::fmt::Debug for Pool<J, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
