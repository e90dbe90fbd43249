//! Circuit breaker of the registry client.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kit::breaker::{Settings, State};
use kit::{Backoff, Breaker, Jitter};
use metrics::Gauge;

/// The wait of an open breaker, doubled after each failed probe up to `WAIT_MAX`; with full jitter.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Stops lookups while the registry is unavailable: none is made until the wait is over, then the result of one probe decides. Exports
/// its state as a metric.
pub(super) struct LookupBreaker {
    started: Instant,
    breaker: Mutex<Breaker>,
    exported: Gauge,
}

impl LookupBreaker {
    /// Creates a closed breaker that opens after this number of consecutive failures.
    pub(super) fn new(failures: u32, exported: Gauge) -> Self {
        let backoff = Backoff::new(FIRST_WAIT, WAIT_MAX);
        let settings = Settings { failures, successes: 1, backoff, probe_max: WAIT_MAX };
        exported.set(number_of(State::Closed));
        Self { started: Instant::now(), breaker: Mutex::new(Breaker::new(settings)), exported }
    }

    /// Admits a lookup, whose result is to be reported.
    ///
    /// # Errors
    /// The time for which no lookup is admitted.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        self.update(|breaker, now| breaker.admit(now)).map(|_| ())
    }

    /// Reports that the registry responded, even if it has no such schema.
    pub(super) fn succeeded(&self) {
        self.update(|breaker, _| breaker.succeeded());
    }

    /// Reports that the registry was unavailable.
    pub(super) fn failed(&self) {
        self.update(|breaker, now| breaker.failed(now, jitter()));
    }

    fn update<T>(&self, update: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = update(&mut breaker, self.started.elapsed());
        self.exported.set(number_of(breaker.state()));
        result
    }
}

fn number_of(state: State) -> f64 {
    match state {
        State::Closed => 0.0,
        State::HalfOpen => 1.0,
        State::Open => 2.0,
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
        let breaker = LookupBreaker::new(2, Gauge::noop());
        breaker.failed();
        assert_eq!(breaker.admit(), Ok(()), "one failure opens nothing");
        breaker.failed();
        breaker
    }

    #[test]
    fn success_between_failures_keeps_it_closed() {
        let breaker = LookupBreaker::new(2, Gauge::noop());
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

    #[test]
    fn states_are_exported_as_numbers() {
        assert_eq!([State::Closed, State::HalfOpen, State::Open].map(number_of), [0.0, 1.0, 2.0]);
    }
}
