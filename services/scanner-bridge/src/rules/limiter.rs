//! How fast requests may leave: a bucket of tokens, one for each symbol.
//!
//! The rate is the whole group's; an instance takes the share of the partitions that it owns. The bucket is no larger than it has to be
//! (one full batch, or what passes between two looks at it), so that the rate holds over short times too.

use std::time::Duration;

/// Tokens are counted in billionths, so that short waits fill the bucket exactly.
const PARTS: u128 = 1_000_000_000;

/// The bucket holds what the rate gives in this time at least: while a transaction waits (100 ms) and commits nobody looks at it, and
/// what would run over then is lost to the rate. At 500 symbols a second it is one full batch.
const UNSEEN: Duration = Duration::from_millis(200);

/// The rate of the group, and the size of an instance's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Symbols a second, of all instances together.
    pub group_symbols_per_s: u32,
    /// Symbols that the bucket holds: at least one full batch.
    pub bucket_symbols: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { group_symbols_per_s: 500, bucket_symbols: 100 }
    }
}

/// A token bucket; full at first, filled by nothing until a share is set.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    owned: u32,
    total: u32,
    /// In billionths of a token.
    level: u128,
    filled_at: Duration,
}

impl Limiter {
    /// A full bucket at `now`.
    #[must_use]
    pub const fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, owned: 0, total: 1, level: rate.bucket_symbols as u128 * PARTS, filled_at: now }
    }

    /// From now on this instance owns `owned` of the topic's `total` partitions.
    pub fn set_share(&mut self, owned: u32, total: u32, now: Duration) {
        self.fill(now);
        self.total = total.max(1);
        self.owned = owned.min(self.total);
    }

    /// Takes a token for each of `symbols`, if so many are there.
    pub fn take(&mut self, symbols: usize, now: Duration) -> bool {
        self.fill(now);
        let needed = parts(symbols);
        let is_enough = needed <= self.level;
        if is_enough {
            self.level -= needed;
        }
        is_enough
    }

    /// How long until `symbols` tokens are there, if nobody takes any; none when that will never be.
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

    /// Whole tokens in the bucket: what the metric of its use is made of.
    #[must_use]
    pub fn available(&self, now: Duration) -> u32 {
        u32::try_from(self.level_at(now) / PARTS).unwrap_or(u32::MAX)
    }

    fn fill(&mut self, now: Duration) {
        self.level = self.level_at(now);
        self.filled_at = self.filled_at.max(now);
    }

    fn level_at(&self, now: Duration) -> u128 {
        let elapsed = now.saturating_sub(self.filled_at).as_nanos();
        (self.level + elapsed.saturating_mul(self.parts_per_s()) / 1_000_000_000).min(self.capacity())
    }

    /// Tokens that the bucket holds.
    #[must_use]
    pub fn capacity_symbols(&self) -> u32 {
        u32::try_from(self.capacity() / PARTS).unwrap_or(u32::MAX)
    }

    fn capacity(&self) -> u128 {
        let unseen = self.parts_per_s() * UNSEEN.as_millis() / 1_000;
        unseen.max(u128::from(self.rate.bucket_symbols) * PARTS)
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
    fn a_full_batch_can_leave_at_once_and_the_next_waits_for_its_tokens() {
        let mut limiter = limiter(12, 12);
        assert!(limiter.take(100, ms(0)));
        assert!(!limiter.take(1, ms(0)));
        assert_eq!(limiter.wait(100, ms(0)), Some(ms(200)));
        assert!(!limiter.take(100, ms(199)));
        assert!(limiter.take(100, ms(200)));
    }

    #[test]
    fn an_instance_has_the_share_of_its_partitions() {
        let mut limiter = limiter(3, 12);
        assert!(limiter.take(100, ms(0)));
        assert_eq!(limiter.wait(125, ms(0)), None); // more than the bucket ever holds
        assert_eq!(limiter.wait(50, ms(0)), Some(ms(400)));
        limiter.set_share(12, 12, ms(200)); // 25 so far
        assert_eq!(limiter.available(ms(200)), 25);
        assert_eq!(limiter.wait(50, ms(200)), Some(ms(50)));
    }

    #[test]
    fn a_high_rate_fills_a_bucket_that_lasts_from_look_to_look() {
        let rate = Rate { group_symbols_per_s: 10_000, ..Rate::default() };
        let mut limiter = Limiter::new(rate, ms(0));
        limiter.set_share(6, 12, ms(0));
        assert_eq!((limiter.capacity_symbols(), limiter.available(ms(0))), (1_000, 100));
        let passed = (0..=10)
            .map(|look| ms(200 * look))
            .map(|now| (0..).take_while(|_| limiter.take(50, now)).count());
        assert_eq!(passed.sum::<usize>() * 50, 100 + 10 * 1_000);
    }

    #[test]
    fn without_partitions_the_bucket_does_not_fill() {
        let mut limiter = limiter(0, 12);
        assert!(limiter.take(100, ms(0)));
        assert_eq!(limiter.wait(1, ms(1_000_000)), None);
        assert_eq!(limiter.available(ms(1_000_000)), 0);
    }

    #[test]
    fn a_clock_that_steps_back_fills_nothing_twice() {
        let mut limiter = limiter(12, 12);
        assert!(limiter.take(100, ms(1_000)));
        assert_eq!(limiter.available(ms(500)), 0);
        assert!(!limiter.take(1, ms(500)));
        assert_eq!(limiter.available(ms(1_002)), 1);
    }

    proptest! {
        /// In no stretch of time more leaves than the bucket and what flowed into it.
        #[test]
        fn the_rate_holds_over_every_stretch_of_time(
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
            for (place, (from, _)) in granted.iter().enumerate() {
                let mut sum = 0;
                for (to, symbols) in &granted[place..] {
                    sum += symbols;
                    let flowed = (to - from) * 500 * u64::from(owned) / 12 / 1_000 + 1;
                    prop_assert!(sum <= 100 + flowed, "{sum} symbols in {} ms", to - from);
                }
            }
        }

        #[test]
        fn who_waits_as_long_as_told_gets_the_tokens(
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
