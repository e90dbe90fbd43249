//! Coverage: the intervals of each series that are in the topics already.
//!
//! Coverage is kept per partition and removed with it. A covered interval was fetched from a source; it may be without records, like a
//! weekend.

use std::collections::BTreeMap;

use domain::{Interval, IntervalSet};

use super::series::Series;

/// The coverage of all owned partitions.
#[derive(Debug, Default)]
pub struct Coverage {
    partitions: BTreeMap<i32, BTreeMap<Series, IntervalSet>>,
    size: Size,
}

/// The size of a coverage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub series: usize,
    /// The intervals of all series.
    pub intervals: usize,
}

impl Size {
    /// Memory of a series without its intervals, in bytes: an entry of a tree whose nodes are half full, and the allocation of a list.
    pub const SERIES_BYTES_MAX: usize = 2 * size_of::<(Series, IntervalSet)>() + 32;

    /// Memory of an interval, in bytes, in a list that is half full. A list has space for four.
    pub const INTERVAL_BYTES_MAX: usize = 4 * size_of::<Interval>();

    /// Returns the upper bound of its memory, in bytes.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        self.series * Self::SERIES_BYTES_MAX + self.intervals * Self::INTERVAL_BYTES_MAX
    }

    fn add(&mut self, more: Self) {
        self.series += more.series;
        self.intervals += more.intervals;
    }

    fn subtract(&mut self, less: Self) {
        self.series -= less.series;
        self.intervals -= less.intervals;
    }

    fn of(set: &IntervalSet) -> Self {
        Self { series: 1, intervals: set.len() }
    }
}

impl Coverage {
    #[must_use]
    pub const fn new() -> Self {
        Self { partitions: BTreeMap::new(), size: Size { series: 0, intervals: 0 } }
    }

    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Returns the parts of `within` that are not covered, in order.
    #[must_use]
    pub fn missing(&self, partition: i32, series: &Series, within: Interval) -> Vec<Interval> {
        self.of(partition, series).map_or_else(|| vec![within], |set| set.missing(within))
    }

    /// Returns the parts of `within` that are covered, in order.
    #[must_use]
    pub fn covered(&self, partition: i32, series: &Series, within: Interval) -> Vec<Interval> {
        self.of(partition, series).map_or_else(Vec::new, |set| set.covered(within))
    }

    /// Returns the whole coverage of a series.
    #[must_use]
    pub fn whole(&self, partition: i32, series: &Series) -> IntervalSet {
        self.of(partition, series).cloned().unwrap_or_default()
    }

    /// Returns the whole coverage of a series with `intervals` added, without changing it: the content of its next event.
    #[must_use]
    pub fn with(&self, partition: i32, series: &Series, intervals: &[Interval]) -> IntervalSet {
        let mut set = self.whole(partition, series);
        intervals.iter().for_each(|interval| set.insert(*interval));
        set
    }

    /// Returns the whole coverage of a series without `interval`, without changing it.
    #[must_use]
    pub fn without(&self, partition: i32, series: &Series, interval: Interval) -> IntervalSet {
        let parts = |covered: Interval| {
            let before = Interval::new(covered.start(), covered.end().min(interval.start()));
            let after = Interval::new(covered.start().max(interval.end()), covered.end());
            before.into_iter().chain(after)
        };
        self.of(partition, series).into_iter().flat_map(IntervalSet::iter).flat_map(parts).collect()
    }

    /// Adds `interval` to the coverage of a series.
    pub fn add(&mut self, partition: i32, series: Series, interval: Interval) {
        let whole = self.with(partition, &series, &[interval]);
        self.restore(partition, series, whole);
    }

    /// Replaces the coverage of a series by that of its newest event.
    pub fn restore(&mut self, partition: i32, series: Series, intervals: IntervalSet) {
        self.size.add(Size::of(&intervals));
        if let Some(before) = self.partitions.entry(partition).or_default().insert(series, intervals) {
            self.size.subtract(Size::of(&before));
        }
    }

    /// Removes the coverage of a series. Returns `true` if it had any.
    pub fn remove_series(&mut self, partition: i32, series: &Series) -> bool {
        let removed = self.partitions.get_mut(&partition).and_then(|of| of.remove(series));
        removed.iter().for_each(|set| self.size.subtract(Size::of(set)));
        removed.is_some()
    }

    /// Removes the coverage of a partition.
    pub fn remove(&mut self, partition: i32) {
        for set in self.partitions.remove(&partition).iter().flat_map(BTreeMap::values) {
            self.size.subtract(Size::of(set));
        }
    }

    fn of(&self, partition: i32, series: &Series) -> Option<&IntervalSet> {
        self.partitions.get(&partition)?.get(series)
    }
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Interval, Symbol, Timeframe, Timestamp};

    use super::{Coverage, Series, Size};

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
    fn only_added_intervals_are_covered() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        assert_eq!(coverage.missing(0, &day, interval(0, 100)), [interval(0, 100)]);
        coverage.add(0, day, interval(20, 40));
        let whole = coverage.with(0, &day, &[interval(40, 60)]);
        assert_eq!(whole.iter().collect::<Vec<_>>(), [interval(20, 60)]);
        assert_eq!(coverage.covered(0, &day, interval(0, 100)), [interval(20, 40)], "not yet");
        coverage.add(0, day, interval(40, 60));
        assert_eq!(coverage.missing(0, &day, interval(0, 100)), [interval(0, 20), interval(60, 100)]);
        assert_eq!(coverage.covered(0, &day, interval(50, 100)), [interval(50, 60)]);
        assert_eq!(coverage.missing(0, &series(Timeframe::Hour1), interval(0, 10)), [interval(0, 10)]);
        assert_eq!(coverage.covered(0, &series(Timeframe::Hour1), interval(0, 10)), []);
    }

    #[test]
    fn interval_is_taken_out_of_what_it_meets() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        let without = |coverage: &Coverage, start, end| {
            coverage.without(0, &day, interval(start, end)).iter().collect::<Vec<_>>()
        };
        assert_eq!(without(&coverage, 0, 10), []);
        coverage.add(0, day, interval(10, 20));
        coverage.add(0, day, interval(30, 40));
        let (ten, thirty) = (interval(10, 20), interval(30, 40));
        assert_eq!(without(&coverage, 20, 30), [ten, thirty]);
        assert_eq!(without(&coverage, 12, 15), [interval(10, 12), interval(15, 20), thirty]);
        assert_eq!(without(&coverage, 15, 35), [interval(10, 15), interval(35, 40)]);
        assert_eq!(without(&coverage, 0, 40), []);
    }

    #[test]
    fn restored_event_replaces_the_coverage() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        coverage.add(0, day, interval(0, 10));
        coverage.restore(0, day, [interval(20, 30)].into_iter().collect());
        assert_eq!(coverage.covered(0, &day, interval(0, 100)), [interval(20, 30)]);
        coverage.add(0, day, interval(50, 60));
        assert_eq!(coverage.size(), Size { series: 1, intervals: 2 });
        coverage.add(0, day, interval(30, 50));
        assert_eq!(coverage.size(), Size { series: 1, intervals: 1 });
        assert!(coverage.remove_series(0, &day));
        assert_eq!(coverage.size(), Size::default());
    }

    #[test]
    fn removed_series_has_no_coverage() {
        let mut coverage = Coverage::new();
        let (day, hour) = (series(Timeframe::Day1), series(Timeframe::Hour1));
        coverage.add(0, day, interval(0, 10));
        coverage.add(0, hour, interval(0, 10));
        assert!(
            coverage.remove_series(0, &day)
                && !coverage.remove_series(0, &day)
                && !coverage.remove_series(1, &hour)
        );
        assert_eq!(coverage.covered(0, &day, interval(0, 10)), []);
        assert_eq!(coverage.covered(0, &hour, interval(0, 10)), [interval(0, 10)]);
    }

    #[test]
    fn removed_partition_has_no_coverage() {
        let mut coverage = Coverage::new();
        let day = series(Timeframe::Day1);
        coverage.add(0, day, interval(0, 10));
        coverage.add(1, day, interval(0, 10));
        coverage.remove(0);
        assert_eq!(coverage.covered(0, &day, interval(0, 10)), []);
        assert_eq!(coverage.covered(1, &day, interval(0, 10)), [interval(0, 10)]);
        assert_eq!(coverage.size(), Size { series: 1, intervals: 1 });
    }
}
