//! Circuit breaker of a source: opens after consecutive failures, or when half of the last calls failed.

use std::collections::VecDeque;
use std::time::Duration;

use kit::breaker::{Settings, State, Transition};
use kit::{Backoff, Breaker, Jitter};

/// Consecutive failed calls that open it.
const FAILURES: u32 = 5;

/// Of this number of last calls, at least half failed: it opens as well.
const WINDOW: usize = 20;

/// The time that it stays open.
const OPEN: Duration = Duration::from_secs(30);

/// Consecutive successful trial calls that close it. One is made at a time.
const TRIALS: u32 = 2;

/// The breaker. Times are monotonic.
#[derive(Debug)]
pub struct SourceBreaker {
    breaker: Breaker,
    /// `true` for each of the last calls that failed, since it was last opened or closed.
    failed: VecDeque<bool>,
}

impl SourceBreaker {
    /// Creates a closed breaker. A trial call without a result after `trial_max` is followed by another one.
    #[must_use]
    pub fn new(trial_max: Duration) -> Self {
        let backoff = Backoff::new(OPEN, OPEN);
        let settings = Settings { failures: FAILURES, successes: TRIALS, backoff, probe_max: trial_max };
        Self { breaker: Breaker::new(settings), failed: VecDeque::with_capacity(WINDOW) }
    }

    /// Admits a call, whose result must be reported.
    ///
    /// # Errors
    /// The time for which no call is admitted, unless a result is reported before.
    pub fn admit(&mut self, now: Duration) -> Result<Option<Transition>, Duration> {
        self.breaker.admit(now)
    }

    /// Returns `true` if a call would be admitted.
    #[must_use]
    pub fn admits(&self, now: Duration) -> bool {
        self.breaker.admits(now)
    }

    /// Returns `true` if all calls are admitted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.breaker.state() == State::Closed
    }

    /// Reports that the source responded.
    pub fn succeeded(&mut self) -> Option<Transition> {
        self.record(false);
        let transition = self.breaker.succeeded();
        self.changed(transition)
    }

    /// Reports a failed call.
    pub fn failed(&mut self, now: Duration) -> Option<Transition> {
        self.record(true);
        let failures = self.failed.iter().filter(|failed| **failed).count();
        let is_half = self.is_closed() && self.failed.len() == WINDOW && 2 * failures >= WINDOW;
        let transition = if is_half {
            self.breaker.trip(now, Jitter::None)
        } else {
            self.breaker.failed(now, Jitter::None)
        };
        self.changed(transition)
    }

    /// Reports a call that is no evidence.
    pub const fn cancelled(&mut self) {
        self.breaker.cancelled();
    }

    fn record(&mut self, is_failure: bool) {
        if self.failed.len() == WINDOW {
            self.failed.pop_front();
        }
        self.failed.push_back(is_failure);
    }

    fn changed(&mut self, transition: Option<Transition>) -> Option<Transition> {
        if transition.is_some() {
            self.failed.clear();
        }
        transition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAL_MAX: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn open(breaker: &mut SourceBreaker, now: Duration) {
        for _ in 0..5 {
            breaker.failed(now);
        }
    }

    /// Reports results, `f` for a failure, and returns the number after which it was open.
    fn opened_after(results: &str) -> Option<usize> {
        let mut breaker = SourceBreaker::new(TRIAL_MAX);
        for (index, result) in results.chars().enumerate() {
            let _transition = if result == 'f' { breaker.failed(at(0)) } else { breaker.succeeded() };
            if !breaker.is_closed() {
                return Some(index + 1);
            }
        }
        None
    }

    #[test]
    fn consecutive_failures_or_half_of_the_last_calls_open_it() {
        assert_eq!(opened_after("fffff"), Some(5));
        assert_eq!(opened_after("ffffsffffs"), None);
        assert_eq!(opened_after("fsfsfsfsfsfsfsfsfsfsf"), Some(21), "ten of the last 20");
        assert_eq!(opened_after("fsfsfsfsfsfsfsfsfssf"), Some(20));
        assert_eq!(opened_after("sfssfssfssfssfssfssfssfssfssfs"), None, "a third");
    }

    #[test]
    fn two_trials_at_a_time_of_one_close_it_after_thirty_seconds() {
        let mut breaker = SourceBreaker::new(TRIAL_MAX);
        open(&mut breaker, at(100));
        assert_eq!(breaker.admit(at(129)), Err(at(1)));
        for is_closed in [false, true] {
            assert!(breaker.admit(at(130)).is_ok());
            assert_eq!(breaker.admit(at(130)), Err(TRIAL_MAX), "one trial at a time");
            breaker.succeeded();
            assert_eq!(breaker.is_closed(), is_closed);
        }
    }

    #[test]
    fn failed_trial_opens_it_again() {
        let mut breaker = SourceBreaker::new(TRIAL_MAX);
        open(&mut breaker, at(0));
        assert!(breaker.admit(at(30)).is_ok());
        breaker.failed(at(31));
        assert_eq!(breaker.admit(at(60)), Err(at(1)));
    }

    #[test]
    fn trial_without_evidence_is_followed_by_another() {
        let mut breaker = SourceBreaker::new(TRIAL_MAX);
        open(&mut breaker, at(0));
        assert!(breaker.admit(at(30)).is_ok());
        breaker.cancelled();
        assert!(breaker.admits(at(30)) && breaker.admit(at(30)).is_ok());
    }
}
