//! Calls to the source, guarded by its circuit breaker. While it is open, chunks are held without an attempt.

use std::time::Duration;

use kafka_io::BreakerMeters;
use kit::ErrorChain;
use kit::breaker::{State, Transition};
use pipeline::Now;

use crate::rules::source_breaker::SourceBreaker;
use crate::sources::{Part, Records, SourceError};

/// The time after which a trial call is not awaited any longer: the deadline of a worker is usually shorter.
const TRIAL_MAX: Duration = Duration::from_secs(300);

/// Receives the cause when the breaker opens, and `None` when it closes.
pub type SourceHook = dyn FnMut(Option<&str>) + Send;

/// The breaker with its log lines, metrics and hook.
pub(super) struct SourceGuard {
    breaker: SourceBreaker,
    meters: BreakerMeters,
    hook: Box<SourceHook>,
}

impl SourceGuard {
    pub(super) fn new(meters: BreakerMeters, hook: Box<SourceHook>) -> Self {
        Self { breaker: SourceBreaker::new(TRIAL_MAX), meters, hook }
    }

    /// Returns a guard that reports to no component.
    pub(super) fn unreported() -> Self {
        Self::new(BreakerMeters::none("source"), Box::new(|_| {}))
    }

    /// Admits a call.
    ///
    /// # Errors
    /// The time for which no call is admitted.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let transition = self.breaker.admit(now)?;
        self.changed(transition, "the wait is over");
        Ok(())
    }

    /// Records that an admitted call was not made.
    pub(super) fn cancelled(&mut self) {
        self.breaker.cancelled();
    }

    /// Returns `true` if a call would be admitted.
    pub(super) fn admits(&self, now: Duration) -> bool {
        self.breaker.admits(now)
    }

    /// Returns `true` if all calls are admitted.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Records the result of a call. A response with an error of the data or the request is one of a source that works.
    pub(super) fn ended(&mut self, result: &Result<Part<Records>, SourceError>, now: Now) {
        match result {
            Err(error @ SourceError::Transient { is_shared: false, .. }) => {
                let transition = self.breaker.failed(now.monotonic);
                if transition.is_some() {
                    self.changed(transition, &ErrorChain(error).to_string());
                }
            }
            // One request failed for several chunks, and the result of another one is the evidence; no call; or a file that is not
            // complete.
            Err(
                SourceError::Transient { is_shared: true, .. }
                | SourceError::Busy { .. }
                | SourceError::BeingWritten { .. },
            ) => self.breaker.cancelled(),
            Ok(_)
            | Err(
                SourceError::InvalidRange { .. }
                | SourceError::Permanent { .. }
                | SourceError::UnknownSymbol { .. },
            ) => {
                let transition = self.breaker.succeeded();
                self.changed(transition, "the source responds");
            }
        }
    }

    fn changed(&mut self, transition: Option<Transition>, cause: &str) {
        let Some(transition) = transition else { return };
        self.meters.changed(transition, cause);
        match transition.to {
            State::Open => (self.hook)(Some(&format!("circuit breaker of the source open: {cause}"))),
            State::Closed => (self.hook)(None),
            State::HalfOpen => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_result_of_a_trial_is_followed_by_another() {
        let at = |seconds| Now { monotonic: Duration::from_secs(seconds), wall_micros: 0 };
        let failed = || SourceError::transient("test", "refused");
        let mut guard = SourceGuard::unreported();
        for _ in 0..5 {
            assert!(guard.admit(at(0).monotonic).is_ok());
            guard.ended(&Err(failed()), at(0));
        }
        assert!(!guard.admits(at(29).monotonic) && guard.admit(at(30).monotonic).is_ok());
        assert!(!guard.admits(at(30).monotonic));
        guard.ended(&Err(failed().shared()), at(30));
        assert!(guard.admits(at(30).monotonic) && !guard.is_closed());
    }
}
