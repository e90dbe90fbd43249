//! Pace of bars: bounds the bars that are written into a partition in a time, so that the readers of the partition keep up with a bulk.
//!
//! Each partition has a leaky bucket. A bar that is written fills it, and it leaks at a constant rate. A chunk starts only if the bucket has
//! room for all bars that it may have, next to those of the chunks that are being fetched: so nothing that is fetched waits to be written.
//! In any time `t`, at most [`BURST_BARS`] + `t` × rate bars are written. A chunk that may have more than the burst starts alone, at an empty
//! bucket, and is the burst then.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Interval, Timeframe};

/// The capacity of a bucket: a chunk of minute bars of the default length, which may have 7,201. `feature` reads it in 35 ms.
pub const BURST_BARS: u64 = 7_500;

/// Parts of a bar: a level is counted in billionths, so that short intervals leak exact amounts.
const PARTS: u128 = 1_000_000_000;

const DAY_MINUTES: i64 = 24 * 60;

const MINUTE_MICROS: i64 = 60_000_000;

/// The pace of all partitions.
#[derive(Debug)]
pub struct BarPace {
    /// 0: no limit.
    bars_per_s: u32,
    buckets: BTreeMap<i32, Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Billionths of a bar, at the time `leaked_at` (monotonic).
    level: u128,
    leaked_at: Duration,
    /// The maximum number of bars of the chunks that have started and not ended.
    reserved: u64,
}

impl Bucket {
    fn level_at(&self, now: Duration, bars_per_s: u32) -> u128 {
        let leaked = now.saturating_sub(self.leaked_at).as_nanos() * u128::from(bars_per_s);
        self.level.saturating_sub(leaked)
    }
}

impl BarPace {
    /// Returns the pace of this rate for each partition. 0: no limit.
    #[must_use]
    pub const fn new(bars_per_s: u32) -> Self {
        Self { bars_per_s, buckets: BTreeMap::new() }
    }

    /// Returns the time until a chunk of at most this number of bars may start if no other does. `None` if that depends on the end of
    /// another chunk.
    #[must_use]
    pub fn wait(&self, partition: i32, bars: u64, now: Duration) -> Option<Duration> {
        let Some(bucket) = self.buckets.get(&partition).filter(|_| self.bars_per_s > 0 && bars > 0) else {
            return Some(Duration::ZERO);
        };
        let room = u128::from(BURST_BARS.saturating_sub(bucket.reserved.saturating_add(bars))) * PARTS;
        if bucket.reserved > 0 && bucket.reserved.saturating_add(bars) > BURST_BARS {
            return None;
        }
        let excess = bucket.level_at(now, self.bars_per_s).saturating_sub(room);
        let nanos = excess.div_ceil(u128::from(self.bars_per_s));
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Reserves the bars of a chunk that starts, until [`Self::ended`].
    pub fn started(&mut self, partition: i32, bars: u64) {
        let bucket = self.buckets.entry(partition).or_default();
        bucket.reserved = bucket.reserved.saturating_add(bars);
    }

    /// Releases the bars of a chunk that has ended. Those that are written follow in [`Self::written`].
    pub fn ended(&mut self, partition: i32, bars: u64, now: Duration) {
        let rate = self.bars_per_s;
        if let Some(bucket) = self.buckets.get_mut(&partition) {
            bucket.reserved = bucket.reserved.saturating_sub(bars);
            bucket.level = bucket.level_at(now, rate);
            bucket.leaked_at = now;
        }
    }

    /// Adds the bars of the chunk that has just ended.
    pub fn written(&mut self, partition: i32, bars: u64) {
        self.buckets.entry(partition).or_default().level += u128::from(bars) * PARTS;
    }
}

/// Returns the maximum number of bars of a range: one in each of its timeframes. Day bars may be of any day.
#[must_use]
pub fn bars_max(timeframe: Timeframe, range: Interval) -> u64 {
    let micros = timeframe.minutes().unwrap_or(DAY_MINUTES) * MINUTE_MICROS;
    let length = range.end().micros_since(range.start());
    // The range may begin within a bar, and a day of a change of the clocks has 23 hours.
    u64::try_from(length / micros).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 1_000;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn chunk_waits_until_the_bars_before_it_have_leaked() {
        let mut pace = BarPace::new(RATE);
        assert_eq!(pace.wait(0, 7_000, ms(0)), Some(ms(0)));
        pace.started(0, 7_000);
        assert_eq!(pace.wait(0, 501, ms(0)), None, "the bars of a chunk that is being fetched count");
        assert_eq!((pace.wait(0, 500, ms(0)), pace.wait(1, 7_000, ms(0))), (Some(ms(0)), Some(ms(0))));
        pace.ended(0, 7_000, ms(400));
        pace.written(0, 2_000);
        assert_eq!(pace.wait(0, 5_500, ms(400)), Some(ms(0)), "those that are not written do not");
        assert_eq!(pace.wait(0, 7_000, ms(400)), Some(ms(1_500)));
        assert_eq!(pace.wait(0, 7_000, ms(1_899)), Some(ms(1)));
        assert_eq!(pace.wait(0, 7_000, ms(1_900)), Some(ms(0)));
    }

    #[test]
    fn chunk_above_the_burst_starts_alone_at_an_empty_bucket() {
        let mut pace = BarPace::new(RATE);
        let large = 4 * BURST_BARS;
        pace.started(0, 1);
        assert_eq!(pace.wait(0, large, ms(0)), None);
        pace.ended(0, 1, ms(0));
        pace.written(0, 1);
        assert_eq!(pace.wait(0, large, ms(0)), Some(ms(1)));
        pace.started(0, large);
        assert_eq!(pace.wait(0, 1, ms(1)), None);
        pace.ended(0, large, ms(1));
        pace.written(0, large);
        assert_eq!(pace.wait(0, 1, ms(1)), Some(ms(22_501)));
    }

    #[test]
    fn rate_of_zero_is_no_limit() {
        let mut pace = BarPace::new(0);
        pace.started(0, u64::MAX);
        pace.written(0, 1_000_000);
        assert_eq!(pace.wait(0, u64::MAX, ms(0)), Some(ms(0)));
    }

    #[test]
    fn range_has_a_bar_in_each_timeframe_at_most() {
        let at = |hours: i64| Timestamp::from_micros(hours * 3_600_000_000);
        let range = Interval::new(at(0), at(48)).unwrap();
        let bars = Timeframe::ALL.map(|timeframe| bars_max(timeframe, range));
        assert_eq!(bars, [2_881, 577, 49, 3]);
    }

    proptest! {
        #[test]
        fn any_time_has_at_most_the_burst_and_the_rate(
            steps in prop::collection::vec((0_u64..3_000, 1_u64..7_500, 0_u64..100), 1..200),
        ) {
            let (mut pace, mut at) = (BarPace::new(RATE), Duration::ZERO);
            let mut running: Vec<(u64, u64)> = Vec::new();
            let mut written: Vec<(Duration, u64)> = Vec::new();
            for (wait, bars, share) in steps {
                at += ms(wait);
                if pace.wait(0, bars, at) == Some(Duration::ZERO) {
                    pace.started(0, bars);
                    running.push((bars, bars * share / 100));
                }
                if wait % 2 == 0 && !running.is_empty() {
                    let (reserved, bars) = running.remove(0);
                    pace.ended(0, reserved, at);
                    pace.written(0, bars);
                    written.push((at, bars));
                }
            }
            for (index, (from, _)) in written.iter().enumerate() {
                let mut sum = 0;
                for (until, bars) in &written[index..] {
                    sum += u128::from(*bars);
                    let leaked = (*until - *from).as_millis() * u128::from(RATE) / 1_000;
                    prop_assert!(sum <= u128::from(BURST_BARS) + leaked);
                }
            }
        }
    }
}
