//! One worker: a thread that takes jobs until the pool ends, its own panic, or its replacement.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crate::lock::locked;
use crate::panics;
use crate::pool::{Outcome, Shared};

pub(crate) fn spawn<J, R>(shared: &Arc<Shared<J, R>>, slot: usize, turn: u64) -> std::io::Result<()>
where
    J: Send + Sync + 'static,
    R: Send + 'static,
{
    let shared = Arc::clone(shared);
    let name = format!("{}-{slot}", shared.options.name);
    std::thread::Builder::new().name(name).spawn(move || {
        // What can panic out here is the maker of the work and the report: the job has had its outcome by then.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| shared.work_on(slot, turn))) {
            shared.vacate(slot, turn);
            let message = panics::message(&*panic);
            tracing::error!(pool = shared.options.name, message, "worker panicked beside its job");
        }
        shared.changed.notify_all();
    })?;
    Ok(())
}

// === impl Shared ===

impl<J, R> Shared<J, R> {
    fn work_on(&self, slot: usize, turn: u64) {
        let mut work = (self.make)();
        while let Some(job) = self.wait_for_job(slot, turn) {
            let result = catch_unwind(AssertUnwindSafe(|| work(&job)));
            match result {
                Ok(result) => {
                    if !locked(&self.state).finish(slot, turn) {
                        return;
                    }
                    self.telemetry.done.increment(1);
                    (self.report)(Outcome::Done { job, result });
                }
                Err(panic) => {
                    if self.vacate(slot, turn) {
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

    fn wait_for_job(&self, slot: usize, turn: u64) -> Option<Arc<J>> {
        let mut state = locked(&self.state);
        loop {
            if let Some(job) = state.take(slot, self.clock.monotonic()) {
                self.telemetry.waiting(state.jobs.len());
                return Some(job);
            }
            if state.closed {
                state.leave(slot, turn);
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn vacate(&self, slot: usize, turn: u64) -> bool {
        locked(&self.state).vacate(slot, turn, self.clock.monotonic(), &self.options)
    }
}
