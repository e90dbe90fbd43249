//! A pool of a fixed number of OS threads for work that takes long: features, fetches.
//!
//! ```text
//! slot:  idle ──takes a job──> busy ──done──> idle
//!                              busy ──panic, or past the deadline──> vacant ──back-off──> idle, with a new worker
//! any ──closed and nothing queued──> gone
//! ```
//!
//! No job is lost in silence: each one that was accepted ends in exactly one [`Outcome`], and one that panicked or
//! hung gives the job back, so that it can be tried again. A thread that hangs can't be ended; its slot gets a new
//! one, and what the old one may yet return is discarded. Restarts are bounded by a budget; past it the pool's
//! supervisor fails, which ends the process.
//!
//! It does not order jobs, retry them, or grow.

mod budget;
mod state;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use metrics::{Counter, Gauge};

use crate::clock::Clock;
use crate::failure::Failure;
use crate::health::ServiceHealth;
use crate::lock::locked;
use crate::telemetry::{Kind, Metric, Scope, catalogue};

use state::State;

/// The shape of a pool.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name in metrics, health and thread names.
    pub name: &'static str,
    /// Threads.
    pub workers: usize,
    /// Jobs that may wait beside those that run.
    pub queue_jobs: usize,
    /// A job that runs longer is stuck.
    pub job_deadline: Duration,
    /// The wait before a slot's first restart; doubles with each failure in a row.
    pub backoff_first: Duration,
    /// The longest such wait.
    pub backoff_max: Duration,
    /// Restarts allowed within the window, over all slots.
    pub restarts: usize,
    /// The window of `restarts`.
    pub restart_window: Duration,
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome<J, R> {
    /// It ended.
    Done {
        /// The job.
        job: Arc<J>,
        /// What it returned.
        result: R,
    },
    /// It panicked.
    Panicked {
        /// The job.
        job: Arc<J>,
        /// What the panic said.
        message: String,
    },
    /// It ran past its deadline; what it may yet return is discarded.
    Stuck {
        /// The job. The hanging thread holds it as well.
        job: Arc<J>,
        /// How long it has been running.
        after: Duration,
    },
}

/// The pool. Clones share it; [`Pool::close`] ends it.
pub struct Pool<J, R> {
    shared: Arc<Shared<J, R>>,
}

/// Too many restarts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {pool}: more than {restarts} restarts within {window:?}")]
pub struct BudgetSpent {
    pool: &'static str,
    restarts: usize,
    window: Duration,
}

/// Jobs by what became of them.
pub const JOBS: Metric = Metric {
    name: "chassis_pool_finished_jobs_total",
    kind: Kind::Counter,
    unit: "jobs",
    labels: &[("pool", catalogue::NAMES), ("outcome", &["done", "panicked", "stuck"])],
    help: "Jobs of a pool by what became of them.",
};

/// Workers that were replaced.
pub const RESTARTS: Metric = Metric {
    name: "chassis_pool_restarted_workers_total",
    kind: Kind::Counter,
    unit: "workers",
    labels: &[("pool", catalogue::NAMES)],
    help: "Workers of a pool that were replaced after a panic or a hang.",
};

/// Jobs that wait.
pub const QUEUE: Metric = Metric {
    name: "chassis_pool_queued_jobs",
    kind: Kind::Gauge,
    unit: "jobs",
    labels: &[("pool", catalogue::NAMES)],
    help: "Jobs that wait for a worker.",
};

/// Jobs that may wait.
pub const QUEUE_CAPACITY: Metric = Metric {
    name: "chassis_pool_queue_capacity_jobs",
    kind: Kind::Gauge,
    unit: "jobs",
    labels: &[("pool", catalogue::NAMES)],
    help: "Jobs that may wait for a worker.",
};

type Work<J, R> = Box<dyn FnMut(&J) -> R>;

struct Shared<J, R> {
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State<J>>,
    /// A job waits, or the pool is closed.
    work: Condvar,
    /// A slot is vacant or gone.
    changed: Condvar,
    make: Box<dyn Fn() -> Work<J, R> + Send + Sync>,
    report: Box<dyn Fn(Outcome<J, R>) + Send + Sync>,
    telemetry: Telemetry,
}

struct Telemetry {
    done: Counter,
    panicked: Counter,
    stuck: Counter,
    restarts: Counter,
    queue: Gauge,
}

// === impl Options ===

impl Options {
    /// The house's values: a deadline of 30 s, back-off from 10 ms to 5 s, 10 restarts a minute.
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

// === impl Pool ===

impl<J: Send + Sync + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts the workers. Each runs what `make` makes, anew after a failure; outcomes go to `report`, on the
    /// worker's thread or the supervisor's, which may wait there.
    ///
    /// A pool without its [`supervisor`](Self::supervisor) never replaces a worker.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start<W: FnMut(&J) -> R + 'static>(
        options: Options,
        clock: Arc<dyn Clock>,
        scope: &Scope,
        make: impl Fn() -> W + Send + Sync + 'static,
        report: impl Fn(Outcome<J, R>) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&options)),
            work: Condvar::new(),
            changed: Condvar::new(),
            make: Box::new(move || Box::new(make())),
            report: Box::new(report),
            telemetry: Telemetry::new(scope, &options),
            clock,
            options,
        });
        for slot in 0..shared.options.workers {
            worker::spawn(&shared, slot, 0)?;
        }
        Ok(Self { shared })
    }

    /// Queues a job.
    ///
    /// # Errors
    ///
    /// Gives the job back when the queue is full or the pool is closed.
    pub fn try_submit(&self, job: J) -> Result<(), J> {
        {
            let mut state = locked(&self.shared.state);
            if state.closed || state.jobs.len() >= self.shared.options.queue_jobs {
                return Err(job);
            }
            state.jobs.push_back(Arc::new(job));
            self.shared.telemetry.waiting(state.jobs.len());
        }
        self.shared.work.notify_one();
        Ok(())
    }

    /// Takes no more jobs; the workers end when nothing is queued.
    pub fn close(&self) {
        locked(&self.shared.state).closed = true;
        self.shared.work.notify_all();
        self.shared.changed.notify_all();
    }

    /// Jobs that wait for a worker.
    #[must_use]
    pub fn queued(&self) -> usize {
        locked(&self.shared.state).jobs.len()
    }

    /// Jobs that run.
    #[must_use]
    pub fn busy(&self) -> usize {
        locked(&self.shared.state).busy()
    }

    /// Reports the jobs that are past their deadline and fills the slots whose back-off is over.
    ///
    /// # Errors
    ///
    /// When filling a slot would pass the restart budget.
    pub fn check(&self) -> Result<(), BudgetSpent> {
        let shared = &self.shared;
        let now = shared.clock.monotonic();
        let stuck = locked(&shared.state).take_stuck(now, &shared.options);
        for (job, after) in stuck {
            tracing::error!(pool = shared.options.name, ?after, "worker is stuck, its slot gets a new one");
            shared.telemetry.stuck.increment(1);
            (shared.report)(Outcome::Stuck { job, after });
        }
        loop {
            let due = locked(&shared.state).fill_one(now, &shared.options)?;
            let Some((slot, turn)) = due else { return Ok(()) };
            shared.telemetry.restarts.increment(1);
            if let Err(error) = worker::spawn(shared, slot, turn) {
                tracing::error!(pool = shared.options.name, %error, "worker can't start");
                locked(&shared.state).vacate(slot, turn, now, &shared.options);
            }
        }
    }

    /// The supervisor's loop, for [`crate::Tasks::thread`] with [`crate::Fate::MustRun`]: checks until the pool is
    /// closed and its last worker is gone.
    pub fn supervisor(
        &self,
        health: &ServiceHealth,
    ) -> impl FnOnce() -> Result<(), Failure> + Send + use<J, R> {
        let pool = self.clone();
        let options = &self.shared.options;
        let period = (options.job_deadline / 4).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let latch = health.component(options.name);
        let heartbeat = health.heartbeat(options.name, period * 10);
        latch.ready();
        move || {
            loop {
                heartbeat.beat();
                if let Err(spent) = pool.check() {
                    latch.not_ready(spent.to_string());
                    return Err(spent.into());
                }
                let state = locked(&pool.shared.state);
                if state.is_over() {
                    return Ok(());
                }
                let wait =
                    state.next_due(pool.shared.clock.monotonic()).map_or(period, |due| due.min(period));
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

// === impl Telemetry ===

impl Telemetry {
    fn new(scope: &Scope, options: &Options) -> Self {
        let pool = ("pool", options.name);
        let jobs = |outcome| scope.counter(&JOBS, &[pool, ("outcome", outcome)]);
        scope.gauge(&QUEUE_CAPACITY, &[pool]).set(gauge_of(options.queue_jobs));
        Self {
            done: jobs("done"),
            panicked: jobs("panicked"),
            stuck: jobs("stuck"),
            restarts: scope.counter(&RESTARTS, &[pool]),
            queue: scope.gauge(&QUEUE, &[pool]),
        }
    }

    fn waiting(&self, jobs: usize) {
        self.queue.set(gauge_of(jobs));
    }
}

/// Counts of jobs are far below the 2^32 that a gauge holds exactly.
fn gauge_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
