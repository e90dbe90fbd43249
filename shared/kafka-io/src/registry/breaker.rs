//! Circuit breaker of the registry client.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kit::breaker::{Settings, Transition};
use kit::{Backoff, Breaker, Jitter};

use crate::breaker_meters::BreakerMeters;

/// The wait of an open breaker, doubled after each failed probe up to `WAIT_MAX`; with full jitter.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Stops lookups while the registry is unavailable: none is made until the wait is over, then the result of one probe decides.
pub(super) struct LookupBreaker {
    started: Instant,
    breaker: Mutex<Breaker>,
    meters: BreakerMeters,
}

impl LookupBreaker {
    /// Creates a closed breaker that opens after this number of consecutive failures.
    pub(super) fn new(failures: u32, meters: BreakerMeters) -> Self {
        let backoff = Backoff::new(FIRST_WAIT, WAIT_MAX);
        let settings = Settings { failures, successes: 1, backoff, probe_max: WAIT_MAX };
        Self { started: Instant::now(), breaker: Mutex::new(Breaker::new(settings)), meters }
    }

    /// Admits a lookup, whose result is to be reported.
    ///
    /// # Errors
    /// The time for which no lookup is admitted.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let mut breaker = self.lock();
        let transition = breaker.admit(self.started.elapsed())?;
        self.changed(transition, "the wait is over");
        Ok(())
    }

    /// Reports that the registry responded, even if it has no such schema.
    pub(super) fn succeeded(&self) {
        let mut breaker = self.lock();
        self.changed(breaker.succeeded(), "the registry responds");
    }

    /// Reports that the registry was unavailable.
    pub(super) fn failed(&self) {
        let mut breaker = self.lock();
        self.changed(breaker.failed(self.started.elapsed(), jitter()), "the registry is unavailable");
    }

    /// With the lock, so that the last state is exported last.
    fn changed(&self, transition: Option<Transition>, cause: &str) {
        if let Some(transition) = transition {
            self.meters.changed(transition, cause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns full jitter without zero, so that replicas that failed together do not retry together.
pub(super) fn jitter() -> Jitter {
    Jitter::NonZero(RandomState::new().hash_one(Instant::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> LookupBreaker {
        let breaker = LookupBreaker::new(2, BreakerMeters::none("registry"));
        breaker.failed();
        assert_eq!(breaker.admit(), Ok(()), "one failure opens nothing");
        breaker.failed();
        breaker
    }

    #[test]
    fn success_between_failures_keeps_it_closed() {
        let breaker = LookupBreaker::new(2, BreakerMeters::none("registry"));
        for _ in 0..10 {
            breaker.failed();
            breaker.succeeded();
            assert_eq!(breaker.admit(), Ok(()));
        }
    }

    #[test]
    fn consecutive_failures_open_it_for_a_second_at_most() {
        let wait = opened().admit().unwrap_err();
        assert!(wait <= FIRST_WAIT, "{wait:?}");
    }

    #[test]
    fn late_success_closes_it() {
        let breaker = opened();
        breaker.succeeded();
        assert_eq!(breaker.admit(), Ok(()));
    }

    #[test]
    fn jitter_never_exceeds_the_wait_and_is_never_zero() {
        for _ in 0..1_000 {
            let wait = jitter().of(FIRST_WAIT);
            assert!(!wait.is_zero() && wait <= FIRST_WAIT, "{wait:?}");
        }
    }
}
