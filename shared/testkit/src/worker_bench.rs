//! Bench for a stage with its real workers: a pool on a manual clock, whose jobs wait for the test, panic and hang.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::pool::Pool;
use chassis::{Clock, Context, ManualClock};
use kafka_io::{Completed, Completions, completions};
use tokio::runtime::{Builder, Runtime};

use crate::stage_bench::now_after;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The process around the workers of a stage. `K` identifies their jobs, `R` is a result.
pub struct WorkerBench<K, R> {
    /// The context in which the service starts its workers.
    pub context: Context,
    /// Called by each job at its start.
    pub attempts: Attempts<K>,
    clock: Arc<ManualClock>,
    started: Receiver<K>,
    completed: Completed<R>,
    gate: Option<SyncSender<()>>,
    /// Ends the job that hangs.
    _hang: SyncSender<()>,
    _runtime: Runtime,
}

/// The attempts at the jobs of a bench. Clones share them.
pub struct Attempts<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    panics: K,
    hangs: K,
    attempted: Mutex<BTreeSet<K>>,
    started: SyncSender<K>,
    gate: Mutex<Receiver<()>>,
    hang: Mutex<Receiver<()>>,
}

// === impl WorkerBench ===

impl<K: Ord + Clone, R> WorkerBench<K, R> {
    /// Creates a bench for at most `results_max` results, and their way to it. The first attempts at two jobs panic and hang.
    ///
    /// # Panics
    /// If the system provides no runtime.
    #[must_use]
    pub fn new(results_max: usize, panics: K, hangs: K) -> (Self, Completions<R>) {
        let (gate, closed) = sync_channel(0);
        let (hang, hanging) = sync_channel(0);
        let (start, started) = sync_channel(64);
        let (sender, completed) = completions(results_max);
        let clock = Arc::new(ManualClock::at(0));
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let shared = Shared {
            panics,
            hangs,
            attempted: Mutex::default(),
            started: start,
            gate: Mutex::new(closed),
            hang: Mutex::new(hanging),
        };
        let bench = Self {
            context: Context::for_tests("test", clock.clone(), runtime.handle().clone()),
            attempts: Attempts { shared: Arc::new(shared) },
            clock,
            started,
            completed,
            gate: Some(gate),
            _hang: hang,
            _runtime: runtime,
        };
        (bench, sender)
    }

    /// Returns the time on the clock of the bench.
    #[must_use]
    pub fn now(&self) -> pipeline::Now {
        now_after(self.clock.monotonic())
    }

    /// Advances the clock, lets the pool take a step, and returns the number of workers that it should have.
    ///
    /// # Panics
    /// If the pool exceeds its restart budget.
    pub fn target_after<J: Send + Sync + 'static>(&self, millis: u64, pool: &Pool<J, R>) -> usize
    where
        R: Send + 'static,
    {
        self.clock.advance(Duration::from_millis(millis));
        pool.check().expect("restarts within the budget");
        pool.target_workers()
    }

    /// Waits until a worker has started a job.
    ///
    /// # Panics
    /// If none does within a minute.
    pub fn next_started(&self) -> K {
        self.started.recv_timeout(TIMEOUT).expect("a started job")
    }

    /// Lets all jobs pass, from now on.
    pub fn open_gate(&mut self) {
        self.gate = None;
    }

    /// Waits for the next result.
    ///
    /// # Panics
    /// If there is none within a minute.
    #[must_use]
    pub fn next_result(&self) -> R {
        self.completed.next_within(TIMEOUT).expect("a result")
    }
}

// === impl Attempts ===

impl<K: Ord + Clone> Attempts<K> {
    /// Waits for the gate at the start of a job, then panics or hangs if it is the first attempt at the job to which that happens.
    ///
    /// # Panics
    /// As described.
    pub fn meet(&self, job: &K) {
        let shared = &self.shared;
        let is_first = shared.attempted.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone());
        // At the end of a test no one receives it.
        let _sent = shared.started.send(job.clone());
        wait_for_end(&shared.gate);
        assert!(!is_first || *job != shared.panics, "at the first attempt");
        if is_first && *job == shared.hangs {
            wait_for_end(&shared.hang);
        }
    }
}

impl<K> Clone for Attempts<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// Waits until the sender of the channel is dropped.
fn wait_for_end(channel: &Mutex<Receiver<()>>) {
    let _ended = channel.lock().unwrap_or_else(PoisonError::into_inner).recv();
}
