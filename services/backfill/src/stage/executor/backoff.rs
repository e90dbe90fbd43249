//! How long to wait before a source is asked again: full jitter, so that many that failed together don't come back together.

use std::time::Duration;

use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Waits that grow with each failure in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    rng: Pcg64Mcg,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// The wait after so many failures in a row (from 1 on): anything up to `first`, doubled with each, at most `longest`.
    pub(super) fn wait(&mut self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = self.first.saturating_mul(doubled).min(self.longest);
        let bound_micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.rng.next_u64() % (bound_micros + 1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    fn longest_of_many(failures: u32) -> Duration {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 7);
        (0..2_000).map(|_| backoff.wait(failures)).max().unwrap()
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_anything_below() {
        for (failures, bound_s) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)] {
            let longest = longest_of_many(failures);
            let bound = Duration::from_secs(bound_s);
            assert!(longest <= bound && longest > bound * 9 / 10, "{failures} failures: {longest:?}");
        }
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = || {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 3);
            (1..9).map(|failures| backoff.wait(failures)).collect::<Vec<_>>()
        };
        assert_eq!(waits(), waits());
    }
}
