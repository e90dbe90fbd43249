//! What of each series is in the topics already.
//!
//! Coverage belongs to partitions, so that a revoked one's goes with it. It says what was asked of a source and answered, not that there
//! are records: a weekend is covered too.

use std::collections::BTreeMap;

use domain::{Interval, IntervalSet};

use super::series::Series;

/// The coverage of all owned partitions.
#[derive(Debug, Default)]
pub struct Coverage {
    partitions: BTreeMap<i32, BTreeMap<Series, IntervalSet>>,
}

impl Coverage {
    /// Nothing is covered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { partitions: BTreeMap::new() }
    }

    /// The parts of `within` that aren't covered, in order.
    #[must_use]
    pub fn missing(&self, partition: i32, series: &Series, within: Interval) -> Vec<Interval> {
        self.of(partition, series).map_or_else(|| vec![within], |set| set.missing(within))
    }

    /// The parts of `within` that are covered, in order.
    #[must_use]
    pub fn covered(&self, partition: i32, series: &Series, within: Interval) -> Vec<Interval> {
        self.of(partition, series).map_or_else(Vec::new, |set| set.covered(within))
    }

    /// The whole coverage of a series as it would be with `interval`, for its event.
    #[must_use]
    pub fn with(&self, partition: i32, series: &Series, interval: Interval) -> IntervalSet {
        let mut set = self.of(partition, series).cloned().unwrap_or_default();
        set.insert(interval);
        set
    }

    /// `interval` is covered from now on.
    pub fn mark(&mut self, partition: i32, series: Series, interval: Interval) {
        self.partitions.entry(partition).or_default().entry(series).or_default().insert(interval);
    }

    /// Takes the coverage of a series as its newest event tells it, in place of what was known.
    pub fn restore(&mut self, partition: i32, series: Series, intervals: IntervalSet) {
        self.partitions.entry(partition).or_default().insert(series, intervals);
    }

    /// The partition has gone, and its coverage with it.
    pub fn released(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    fn of(&self, partition: i32, series: &Series) -> Option<&IntervalSet> {
        self.partitions.get(&partition)?.get(series)
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};

    use super::{Coverage, Series};

    fn interval(start: i64, end: i64) -> Interval {
        Interval::new(Timestamp::from_micros(start), Timestamp::from_micros(end)).unwrap()
    }

    fn series(timeframe: Timeframe) -> Series {
        Series {
            symbol: Symbol::parse("AAPL").unwrap(),
            data_type: DataType::MarketData,
            timeframe: Some(timeframe),
        }
    }

    #[test]
    fn only_what_was_marked_is_covered() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        assert_eq!(coverage.missing(0, &day, interval(0, 100)), [interval(0, 100)]);
        coverage.mark(0, day, interval(20, 40));
        let whole = coverage.with(0, &day, interval(40, 60));
        assert_eq!(whole.iter().collect::<Vec<_>>(), [interval(20, 60)]);
        assert_eq!(coverage.covered(0, &day, interval(0, 100)), [interval(20, 40)], "not yet");
        coverage.mark(0, day, interval(40, 60));
        assert_eq!(coverage.missing(0, &day, interval(0, 100)), [interval(0, 20), interval(60, 100)]);
        assert_eq!(coverage.covered(0, &day, interval(50, 100)), [interval(50, 60)]);
        assert_eq!(coverage.missing(0, &series(Timeframe::Hour1), interval(0, 10)), [interval(0, 10)]);
        assert_eq!(coverage.covered(0, &series(Timeframe::Hour1), interval(0, 10)), []);
    }

    #[test]
    fn a_restored_event_replaces_what_was_known() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        coverage.mark(0, day, interval(0, 10));
        coverage.restore(0, day, [interval(20, 30)].into_iter().collect());
        assert_eq!(coverage.covered(0, &day, interval(0, 100)), [interval(20, 30)]);
    }

    #[test]
    fn coverage_goes_with_its_partition() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        coverage.mark(0, day, interval(0, 10));
        coverage.mark(1, day, interval(0, 10));
        coverage.released(0);
        assert_eq!(coverage.covered(0, &day, interval(0, 10)), []);
        assert_eq!(coverage.covered(1, &day, interval(0, 10)), [interval(0, 10)]);
    }
}
