//! State that the workers, the supervisor and the callers of a pool share.

use std::sync::{Arc, Condvar, Mutex};

use crate::clock::Clock;
use crate::pool::options::Options;
use crate::pool::outcome::Outcome;
use crate::pool::state::State;
use crate::pool::telemetry::Telemetry;
use crate::telemetry::handles::Scope;

/// The function that a worker runs for each job.
type Work<J, R> = Box<dyn FnMut(&J) -> R>;

pub(crate) struct Shared<J, R> {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Mutex<State<J>>,
    /// Notified when a job is queued and when the pool is closed.
    pub(crate) work: Condvar,
    /// Notified when a slot becomes vacant or ends, when the pool is closed, and when a step is due before the supervisor's next check.
    pub(crate) changed: Condvar,
    pub(crate) make: Box<dyn Fn() -> Work<J, R> + Send + Sync>,
    pub(crate) report: Box<dyn Fn(Outcome<J, R>) + Send + Sync>,
    pub(crate) telemetry: Telemetry,
}

// === impl Shared ===

impl<J, R> Shared<J, R> {
    pub(crate) fn new<W: FnMut(&J) -> R + 'static>(
        options: Options,
        clock: Arc<dyn Clock>,
        scope: &Scope,
        make: impl Fn() -> W + Send + Sync + 'static,
        report: impl Fn(Outcome<J, R>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            state: Mutex::new(State::new(&options)),
            work: Condvar::new(),
            changed: Condvar::new(),
            make: Box::new(move || Box::new(make())),
            report: Box::new(report),
            telemetry: Telemetry::new(scope, &options),
            clock,
            options,
        }
    }
}
