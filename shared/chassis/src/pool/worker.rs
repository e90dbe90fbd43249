//! Worker thread: runs jobs until the pool ends or shrinks, a job panics, or the worker is replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crate::lock::locked;
use crate::panics;
use crate::pool::outcome::Outcome;
use crate::pool::shared::Shared;

pub(crate) fn spawn<J, R>(shared: &Arc<Shared<J, R>>, slot: usize, generation: u64) -> std::io::Result<()>
where
    J: Send + Sync + 'static,
    R: Send + 'static,
{
    let shared = Arc::clone(shared);
    let name = format!("{}-{slot}", shared.options.name);
    std::thread::Builder::new().name(name).spawn(move || {
        // Panics of `make` and `report` are caught here. The job already has its outcome by then.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| shared.run_jobs(slot, generation))) {
            shared.vacate(slot, generation);
            let message = panics::message(&*panic);
            tracing::error!(pool = shared.options.name, message, "worker panicked outside a job");
        }
        shared.changed.notify_all();
    })?;
    Ok(())
}

// === impl Shared ===

impl<J, R> Shared<J, R> {
    fn run_jobs(&self, slot: usize, generation: u64) {
        let mut work = (self.make)();
        while let Some(job) = self.wait_for_job(slot, generation) {
            let result = catch_unwind(AssertUnwindSafe(|| work(&job)));
            match result {
                Ok(result) => {
                    if !locked(&self.state).finish(slot, generation, self.clock.monotonic()) {
                        return;
                    }
                    self.telemetry.done.increment(1);
                    (self.report)(Outcome::Done { job, result });
                }
                Err(panic) => {
                    if self.vacate(slot, generation) {
                        let message = panics::message(&*panic);
                        tracing::error!(pool = self.options.name, message, "job panicked");
                        self.telemetry.panicked.increment(1);
                        (self.report)(Outcome::Panicked { job, message });
                    }
                    return;
                }
            }
        }
    }

    fn wait_for_job(&self, slot: usize, generation: u64) -> Option<Arc<J>> {
        let mut state = locked(&self.state);
        loop {
            if state.remove(slot) {
                self.telemetry.workers(&state);
                // The notification that woke this worker may have been that of a job.
                self.work.notify_one();
                return None;
            }
            if let Some(job) = state.take(slot, self.clock.monotonic()) {
                self.telemetry.queued(state.jobs.len());
                return Some(job);
            }
            if state.closed {
                state.end(slot, generation);
                self.telemetry.workers(&state);
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn vacate(&self, slot: usize, generation: u64) -> bool {
        let mut state = locked(&self.state);
        let is_current = state.vacate(slot, generation, self.clock.monotonic());
        self.telemetry.workers(&state);
        is_current
    }
}
