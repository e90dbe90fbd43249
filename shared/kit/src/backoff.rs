//! Exponential backoff.

use std::time::Duration;

/// The waits after consecutive failures: `first`, doubled with each further failure, at most `max`.
///
/// Either counts the failures itself ([`Backoff::fail`], [`Backoff::reset`]) or is a plain function of the caller's count
/// ([`Backoff::wait_after`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    is_first_immediate: bool,
    failures: u32,
}

impl Backoff {
    /// The wait after the first failure is `first`, or `max` if that is less.
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, is_first_immediate: false, failures: 0 }
    }

    /// The wait after the first failure is zero, after the second `first`, then it doubles.
    #[must_use]
    pub const fn immediate_then(first: Duration, max: Duration) -> Self {
        Self { first, max, is_first_immediate: true, failures: 0 }
    }

    /// Counts a failure and returns the wait after it.
    pub const fn fail(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.wait_after(self.failures)
    }

    /// Counts from zero again: a success ended the row of failures.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Consecutive failures.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after this number of consecutive failures, whatever was counted. Zero after none.
    #[must_use]
    pub const fn wait_after(&self, failures: u32) -> Duration {
        let without_doubling = if self.is_first_immediate { 2 } else { 1 };
        let Some(doublings) = failures.checked_sub(without_doubling) else { return Duration::ZERO };
        let (first, max) = (self.first.as_nanos(), self.max.as_nanos());
        if first == 0 {
            return Duration::ZERO;
        }
        // The bound is shifted to the right: to the left, the wait could overflow.
        if doublings < u128::BITS && first <= max >> doublings {
            Duration::from_nanos_u128(first << doublings)
        } else {
            self.max
        }
    }
}

/// The share of a wait that is waited, so that many that failed together do not retry together. The random number comes from the
/// caller; all 64 bits are to be random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// The whole wait.
    None,
    /// Full jitter, in microseconds: from zero to the whole wait.
    Full(u64),
    /// Full jitter without zero, in thousandths: from a thousandth of the wait to all of it.
    NonZero(u64),
}

impl Jitter {
    /// The time to wait instead of `wait`; never longer.
    #[must_use]
    pub const fn of(self, wait: Duration) -> Duration {
        match self {
            Self::None => wait,
            Self::Full(random) => {
                let micros = wait.as_micros();
                // More than 584,000 years are not waited.
                let bound = if micros < u64::MAX as u128 { micros } else { u64::MAX as u128 - 1 };
                Duration::from_nanos_u128(random as u128 % (bound + 1) * 1_000)
            }
            Self::NonZero(random) => {
                let thousandths = random as u128 % 1_000 + 1;
                Duration::from_nanos_u128(wait.as_nanos() * thousandths / 1_000)
            }
        }
    }
}
