//! A breaker over the registry's lookups: while it doesn't answer, it isn't asked.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time that an open breaker sheds lookups, doubled with each trial that fails; both with full jitter.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Closed: calls pass. Open: none does until its time is over, then one is the trial, whose end decides.
pub(super) struct Breaker {
    threshold: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

struct Open {
    until: Instant,
    wait: Duration,
    is_tried: bool,
}

impl Breaker {
    /// Opens after so many failures in a row.
    pub(super) fn new(threshold: u32) -> Self {
        Self { threshold, state: Mutex::default() }
    }

    /// Whether a call may be made now; its end is to be told. Else how long none may.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        match &mut self.state().open {
            None => Ok(()),
            Some(open) if now >= open.until => {
                // A trial whose end is never told is followed by another.
                *open = Open { until: now + LONGEST_WAIT, is_tried: true, ..*open };
                Ok(())
            }
            Some(open) => Err(open.until.saturating_duration_since(now)),
        }
    }

    /// The registry has answered, whatever it said.
    pub(super) fn answered(&self) {
        *self.state() = State::default();
    }

    /// A call failed. Says whether the breaker is open now.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let wait = match &state.open {
            // A call that began before the breaker opened: it says nothing new.
            Some(open) if !open.is_tried => return true,
            Some(open) => (open.wait * 2).min(LONGEST_WAIT),
            None if state.failures >= self.threshold => FIRST_WAIT,
            None => return false,
        };
        state.open = Some(Open { until: now + jittered(wait), wait, is_tried: false });
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Full jitter: anything up to `wait`, so that replicas that failed together don't ask together.
pub(super) fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(Instant::now());
    let thousandths = u32::try_from(random % 1_000).unwrap_or(0) + 1;
    wait * thousandths / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new(2);
        assert!(!breaker.failed(now));
        assert!(breaker.failed(now));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_alone() {
        let (breaker, now) = (Breaker::new(2), Instant::now());
        for _ in 0..10 {
            assert!(!breaker.failed(now));
            breaker.answered();
            assert_eq!(breaker.admit(now), Ok(()));
        }
        opened(now).admit(now).unwrap_err();
    }

    #[test]
    fn when_its_time_is_over_one_call_is_the_trial() {
        let now = Instant::now();
        let (breaker, later) = (opened(now), now + FIRST_WAIT);
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(LONGEST_WAIT), "the trial has not ended");
        breaker.answered();
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(!breaker.failed(later), "it counts from zero again");
    }

    #[test]
    fn a_trial_whose_end_is_never_told_is_followed_by_another() {
        let now = Instant::now();
        let (breaker, later) = (opened(now), now + FIRST_WAIT);
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later + LONGEST_WAIT), Ok(()));
    }

    #[test]
    fn each_trial_that_fails_doubles_the_longest_wait_up_to_30_s() {
        let mut now = Instant::now();
        let breaker = opened(now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let left = breaker.admit(now).unwrap_err();
            assert!(!left.is_zero() && left <= Duration::from_secs(seconds), "{left:?} of {seconds} s");
            now += left;
            assert_eq!(breaker.admit(now), Ok(()));
            assert!(breaker.failed(now));
        }
    }

    #[test]
    fn a_call_from_before_it_opened_does_not_lengthen_the_wait() {
        let now = Instant::now();
        let breaker = opened(now);
        let left = breaker.admit(now).unwrap_err();
        assert!(breaker.failed(now));
        assert_eq!(breaker.admit(now), Err(left));
    }
}
