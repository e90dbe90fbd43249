//! Circuit breaker of a producer: while Kafka acknowledges nothing, calls are rejected at once.
//!
//! It opens after [`FAILURES`] consecutive calls without any acknowledgement in time, or when no broker is reachable. While it is open,
//! metadata is requested every [`PROBE_INTERVAL`]. The first response makes it half-open: one call at a time is admitted, and
//! [`SUCCESSES`] calls with an acknowledgement close it. What was queued before stays queued.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use kit::breaker::{Settings, State, Transition};
use kit::{Backoff, Breaker, Jitter};

use super::result::{ProduceError, ProduceResult};
use crate::breaker_meters::BreakerMeters;
use crate::broker_monitor::ReachabilityHook;

/// Consecutive calls without an acknowledgement that open it.
const FAILURES: u32 = 5;

/// Calls with an acknowledgement that close it.
const SUCCESSES: u32 = 2;

/// Interval, and timeout, of the metadata requests of an open breaker.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// After this time without a result, another call is admitted: longer than a call waits for its acknowledgements.
const TRIAL_MAX: Duration = Duration::from_secs(30);

const TARGET: &str = "kafka";

/// The circuit breaker of a producer. Clones share it.
#[derive(Clone)]
pub struct ProducerBreaker(Arc<Shared>);

struct Shared {
    started: Instant,
    breaker: Mutex<Guarded>,
    /// Wakes the thread that requests metadata.
    opened: SyncSender<()>,
    wake: Mutex<Option<Receiver<()>>>,
}

struct Guarded {
    breaker: Breaker,
    meters: BreakerMeters,
    hook: Box<ReachabilityHook>,
}

/// An admitted call.
pub(super) struct Admitted {
    breaker: ProducerBreaker,
    is_trial: bool,
    is_ended: bool,
}

impl ProducerBreaker {
    /// Creates a closed breaker. `hook` receives the cause when it opens, and `None` when it closes.
    #[must_use]
    pub fn new(service: &'static str, hook: Box<ReachabilityHook>) -> Self {
        Self::with_meters(BreakerMeters::of(service, TARGET), hook)
    }

    fn with_meters(meters: BreakerMeters, hook: Box<ReachabilityHook>) -> Self {
        let settings = Settings {
            failures: FAILURES,
            successes: SUCCESSES,
            // Until a response to a metadata request.
            backoff: Backoff::new(Duration::MAX, Duration::MAX),
            probe_max: TRIAL_MAX,
        };
        let (opened, wake) = sync_channel(1);
        Self(Arc::new(Shared {
            started: Instant::now(),
            breaker: Mutex::new(Guarded { breaker: Breaker::new(settings), meters, hook }),
            opened,
            wake: Mutex::new(Some(wake)),
        }))
    }

    /// Opens it: no broker is reachable.
    pub fn trip(&self, cause: &str) {
        self.update(cause, |breaker, now| breaker.trip(now, Jitter::None));
    }

    /// Returns `true` if a call would be rejected now.
    #[must_use]
    pub fn is_rejecting(&self) -> bool {
        !self.lock().breaker.admits(self.0.started.elapsed())
    }

    /// Admits a call. `None`: it is to be rejected.
    pub(super) fn admit(&self) -> Option<Admitted> {
        let mut is_trial = false;
        let admitted = self.lock().breaker.admit(self.0.started.elapsed()).is_ok();
        if admitted {
            is_trial = self.state() == State::HalfOpen;
        }
        admitted.then_some(Admitted { breaker: self.clone(), is_trial, is_ended: false })
    }

    /// Closes it: the producer was recreated.
    pub(super) fn reset(&self) {
        self.update("the producer was recreated", |breaker, _| breaker.reset());
    }

    /// Requests metadata while it is open, on a thread that ends with the last clone of the breaker. `request` is called with the timeout,
    /// and returns `None` if the producer is gone, otherwise `true` if a broker has responded.
    ///
    /// # Errors
    /// If the system lacks threads.
    pub(super) fn probe(
        &self,
        request: impl Fn(Duration) -> Option<bool> + Send + 'static,
    ) -> std::io::Result<()> {
        let Some(wake) = self.0.wake.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let weak = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("producer-probe".to_owned());
        thread
            .spawn(move || while wake.recv().is_ok() && probe_until_half_open(&weak, &wake, &request) {})
            .map(drop)
    }

    fn half_open(&self) {
        self.update("a broker responds", |breaker, _| breaker.half_open());
    }

    fn state(&self) -> State {
        self.lock().breaker.state()
    }

    fn update(&self, cause: &str, update: impl FnOnce(&mut Breaker, Duration) -> Option<Transition>) {
        let mut guarded = self.lock();
        let Some(transition) = update(&mut guarded.breaker, self.0.started.elapsed()) else { return };
        guarded.meters.changed(transition, cause);
        match transition.to {
            State::Open => {
                (guarded.hook)(Some(&format!("circuit breaker open: {cause}")));
                // Full: the thread has not yet taken the last one.
                let (Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(()))) =
                    self.0.opened.try_send(());
            }
            State::Closed => (guarded.hook)(None),
            State::HalfOpen => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted {
    /// Takes the results of the call. Records that are invalid, too large, denied or rejected for lack of room are no evidence.
    pub(super) fn ended(mut self, results: &[ProduceResult]) {
        let is_unacknowledged = |result: &ProduceResult| {
            matches!(result, Err(ProduceError::Unknown { .. } | ProduceError::Failed { .. }))
        };
        if results.iter().any(Result::is_ok) {
            self.is_ended = true;
            self.breaker.update("records are acknowledged", |breaker, _| breaker.succeeded());
        } else if results.iter().any(is_unacknowledged) {
            self.is_ended = true;
            // A call from before it opened is no evidence against a broker that has responded since.
            if self.is_trial || self.breaker.state() == State::Closed {
                let cause = "no record was acknowledged in time";
                self.breaker.update(cause, |breaker, now| breaker.failed(now, Jitter::None));
            }
        }
    }
}

impl Drop for Admitted {
    /// A trial without evidence: the next call is another one.
    fn drop(&mut self) {
        if self.is_trial && !self.is_ended {
            self.breaker.lock().breaker.cancelled();
        }
    }
}

/// Returns `false` if the producer or the breaker is gone.
fn probe_until_half_open(
    breaker: &Weak<Shared>,
    wake: &Receiver<()>,
    request: &impl Fn(Duration) -> Option<bool>,
) -> bool {
    loop {
        let begun = Instant::now();
        match breaker.upgrade().map(ProducerBreaker) {
            None => return false,
            Some(breaker) if breaker.state() != State::Open => return true,
            Some(_) => {}
        }
        match request(PROBE_INTERVAL) {
            None => return false,
            Some(true) => {
                if let Some(breaker) = breaker.upgrade().map(ProducerBreaker) {
                    breaker.half_open();
                }
                return true;
            }
            // Until the interval is over, or the breaker is gone.
            Some(false) => {
                let left = PROBE_INTERVAL.saturating_sub(begun.elapsed());
                let _another_opening_or_over = wake.recv_timeout(left);
            }
        }
    }
}

#[cfg(test)]
mod tests;
