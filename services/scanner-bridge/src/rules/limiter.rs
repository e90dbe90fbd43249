//! Rate limit of requests: a token bucket with one token per symbol.
//!
//! The rate is that of the whole group; an instance has the share of the partitions that are assigned to it. The bucket is as small as
//! possible (one full batch, or the tokens of the time between two ticks), so that the rate holds over short intervals too.

use std::time::Duration;

use kit::SaturatingFrom;

/// Parts of a token: the level is counted in billionths, so that short intervals add exact amounts.
const PARTS: u128 = 1_000_000_000;

/// The capacity of the bucket is at least the tokens of this time. While a transaction is open (100 ms) and commits, the stage does not
/// take tokens, and those above the capacity are lost. At 500 symbols per second it is one full batch.
const REFILL_MIN: Duration = Duration::from_millis(200);

/// Rate of the group, and capacity of an instance's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Symbols per second, of all instances together.
    pub group_symbols_per_s: u32,
    /// Minimum capacity of the bucket, in symbols: one full batch.
    pub bucket_symbols: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { group_symbols_per_s: 500, bucket_symbols: 100 }
    }
}

/// A token bucket. It starts full, and is refilled once partitions are assigned.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    owned: u32,
    total: u32,
    /// Billionths of a token.
    level: u128,
    filled_at: Duration,
}

impl Limiter {
    /// Creates a full bucket at `now`.
    #[must_use]
    pub const fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, owned: 0, total: 1, level: rate.bucket_symbols as u128 * PARTS, filled_at: now }
    }

    /// Sets the instance's share of the rate: `owned` of the topic's `total` partitions are assigned to it.
    pub fn set_share(&mut self, owned: u32, total: u32, now: Duration) {
        self.fill(now);
        self.total = total.max(1);
        self.owned = owned.min(self.total);
    }

    /// Takes a token per symbol. Returns `false`, and takes none, if there are fewer tokens than symbols.
    pub fn take(&mut self, symbols: usize, now: Duration) -> bool {
        self.fill(now);
        let needed = parts(symbols);
        let is_enough = needed <= self.level;
        if is_enough {
            self.level -= needed;
        }
        is_enough
    }

    /// Returns the time until `symbols` tokens are available if none are taken. `None` if they never are.
    #[must_use]
    pub fn wait(&self, symbols: usize, now: Duration) -> Option<Duration> {
        let missing = parts(symbols).saturating_sub(self.level_at(now));
        let per_s = self.parts_per_s();
        if missing == 0 {
            return Some(Duration::ZERO);
        }
        if per_s == 0 || parts(symbols) > self.capacity() {
            return None;
        }
        let nanos = (missing * 1_000_000_000).div_ceil(per_s);
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }

    /// Returns the number of whole tokens in the bucket.
    #[must_use]
    pub fn available(&self, now: Duration) -> u32 {
        u32::saturating_from(self.level_at(now) / PARTS)
    }

    fn fill(&mut self, now: Duration) {
        self.level = self.level_at(now);
        self.filled_at = self.filled_at.max(now);
    }

    fn level_at(&self, now: Duration) -> u128 {
        let elapsed = now.saturating_sub(self.filled_at).as_nanos();
        (self.level + elapsed.saturating_mul(self.parts_per_s()) / 1_000_000_000).min(self.capacity())
    }

    /// Returns the capacity of the bucket, in tokens.
    #[must_use]
    pub fn capacity_symbols(&self) -> u32 {
        u32::saturating_from(self.capacity() / PARTS)
    }

    fn capacity(&self) -> u128 {
        let refill = self.parts_per_s() * REFILL_MIN.as_millis() / 1_000;
        refill.max(u128::from(self.rate.bucket_symbols) * PARTS)
    }

    fn parts_per_s(&self) -> u128 {
        u128::from(self.rate.group_symbols_per_s) * PARTS * u128::from(self.owned) / u128::from(self.total)
    }
}

fn parts(symbols: usize) -> u128 {
    u128::try_from(symbols).unwrap_or(u128::MAX / PARTS).saturating_mul(PARTS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Limiter, Rate};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn limiter(owned: u32, total: u32) -> Limiter {
        let mut limiter = Limiter::new(Rate::default(), ms(0));
        limiter.set_share(owned, total, ms(0));
        limiter
    }

    #[test]
    fn full_batch_passes_and_the_next_waits_for_tokens() {
        let mut limiter = limiter(12, 12);
        assert!(limiter.take(100, ms(0)));
        assert!(!limiter.take(1, ms(0)));
        assert_eq!(limiter.wait(100, ms(0)), Some(ms(200)));
        assert!(!limiter.take(100, ms(199)));
        assert!(limiter.take(100, ms(200)));
    }

    #[test]
    fn instance_has_the_share_of_its_partitions() {
        let mut limiter = limiter(3, 12);
        assert!(limiter.take(100, ms(0)));
        assert_eq!(limiter.wait(125, ms(0)), None); // more than the capacity
        assert_eq!(limiter.wait(50, ms(0)), Some(ms(400)));
        limiter.set_share(12, 12, ms(200)); // 25 so far
        assert_eq!(limiter.available(ms(200)), 25);
        assert_eq!(limiter.wait(50, ms(200)), Some(ms(50)));
    }

    #[test]
    fn bucket_of_a_high_rate_lasts_from_tick_to_tick() {
        let rate = Rate { group_symbols_per_s: 10_000, ..Rate::default() };
        let mut limiter = Limiter::new(rate, ms(0));
        limiter.set_share(6, 12, ms(0));
        assert_eq!((limiter.capacity_symbols(), limiter.available(ms(0))), (1_000, 100));
        let passed = (0..=10)
            .map(|tick| ms(200 * tick))
            .map(|now| (0..).take_while(|_| limiter.take(50, now)).count());
        assert_eq!(passed.sum::<usize>() * 50, 100 + 10 * 1_000);
    }

    #[test]
    fn bucket_without_partitions_is_not_refilled() {
        let mut limiter = limiter(0, 12);
        assert!(limiter.take(100, ms(0)));
        assert_eq!(limiter.wait(1, ms(1_000_000)), None);
        assert_eq!(limiter.available(ms(1_000_000)), 0);
    }

    #[test]
    fn clock_that_steps_back_adds_no_tokens() {
        let mut limiter = limiter(12, 12);
        assert!(limiter.take(100, ms(1_000)));
        assert_eq!(limiter.available(ms(500)), 0);
        assert!(!limiter.take(1, ms(500)));
        assert_eq!(limiter.available(ms(1_002)), 1);
    }

    proptest! {
        /// In any interval, at most the capacity and the tokens of the interval are taken.
        #[test]
        fn rate_holds_over_every_interval(
            takes in prop::collection::vec((0_u64..300, 1_usize..=100), 1..100),
            owned in 1_u32..=12,
        ) {
            let mut limiter = limiter(owned, 12);
            let mut granted: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (pause, symbols) in takes {
                now += pause;
                if limiter.take(symbols, ms(now)) {
                    granted.push((now, symbols as u64));
                }
            }
            for (index, (from, _)) in granted.iter().enumerate() {
                let mut sum = 0;
                for (to, symbols) in &granted[index..] {
                    sum += symbols;
                    let refilled = (to - from) * 500 * u64::from(owned) / 12 / 1_000 + 1;
                    prop_assert!(sum <= 100 + refilled, "{sum} symbols in {} ms", to - from);
                }
            }
        }

        #[test]
        fn tokens_are_available_after_the_returned_wait(
            first in 1_usize..=100,
            second in 1_usize..=100,
            owned in 1_u32..=12,
        ) {
            let mut limiter = limiter(owned, 12);
            prop_assert!(limiter.take(first, ms(0)));
            let wait = limiter.wait(second, ms(0)).unwrap();
            if wait > Duration::ZERO {
                prop_assert!(!limiter.take(second, wait - Duration::from_nanos(10)));
            }
            prop_assert!(limiter.take(second, wait));
        }
    }
}
