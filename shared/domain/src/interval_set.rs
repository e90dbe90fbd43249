//! Sets of intervals, for coverage and missing ranges.

use crate::interval::Interval;
use crate::timestamp::Timestamp;

/// A set of instants as intervals: sorted, disjoint, not touching.
///
/// Stored as a sorted list: coverage consists of few intervals, and most additions merge with a neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntervalSet {
    intervals: Vec<Interval>,
}

impl IntervalSet {
    /// Returns the empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { intervals: Vec::new() }
    }

    /// Adds an interval and merges it with those that it overlaps or touches.
    pub fn insert(&mut self, interval: Interval) {
        let first = self.intervals.partition_point(|held| held.end() < interval.start());
        let after = self.intervals.partition_point(|held| held.start() <= interval.end());
        let merged = self.intervals[first..after].iter().fold(interval, |whole, held| whole.hull(*held));
        self.intervals.splice(first..after, [merged]);
    }

    /// Adds the intervals of `other`.
    pub fn union(&mut self, other: &Self) {
        for interval in &other.intervals {
            self.insert(*interval);
        }
    }

    /// Returns the parts of `within` that are not in the set, in order.
    #[must_use]
    pub fn missing(&self, within: Interval) -> Vec<Interval> {
        let mut missing = Vec::new();
        let mut from = within.start();
        let first = self.intervals.partition_point(|held| held.end() <= within.start());
        for held in self.intervals[first..].iter().take_while(|held| held.start() < within.end()) {
            missing.extend(Interval::new(from, held.start()));
            from = held.end();
        }
        missing.extend(Interval::new(from, within.end()));
        missing
    }

    /// Returns the parts of `within` that are in the set, in order.
    #[must_use]
    pub fn covered(&self, within: Interval) -> Vec<Interval> {
        self.intervals.iter().filter_map(|held| held.intersection(within)).collect()
    }

    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        let after = self.intervals.partition_point(|held| held.start() <= instant);
        after > 0 && self.intervals[after - 1].contains(instant)
    }

    /// Returns the intervals in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Interval> + '_ {
        self.intervals.iter().copied()
    }

    /// Returns the number of intervals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }
}

impl FromIterator<Interval> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut set = Self::new();
        for interval in intervals {
            set.insert(interval);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Interval, IntervalSet};
    use crate::timestamp::Timestamp;

    const SPAN: i64 = 40;

    fn interval(start: i64, end: i64) -> Interval {
        Interval::new(Timestamp::from_micros(start), Timestamp::from_micros(end)).unwrap()
    }

    fn any_interval() -> impl Strategy<Value = Interval> {
        (0..SPAN - 1)
            .prop_flat_map(|start| (Just(start), start + 1..SPAN))
            .prop_map(|(start, end)| interval(start, end))
    }

    /// The model: for each instant of a short span, whether it is in the set.
    fn model(intervals: &[Interval]) -> Vec<bool> {
        (0..SPAN)
            .map(|t| intervals.iter().any(|interval| interval.contains(Timestamp::from_micros(t))))
            .collect()
    }

    #[test]
    fn adjacent_intervals_are_merged() {
        let set: IntervalSet = [interval(0, 5), interval(10, 15), interval(5, 10)].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [interval(0, 15)]);
    }

    #[test]
    fn only_uncovered_parts_are_missing() {
        let set: IntervalSet = [interval(5, 10), interval(20, 25)].into_iter().collect();
        assert_eq!(set.missing(interval(0, 30)), [interval(0, 5), interval(10, 20), interval(25, 30)]);
        assert_eq!(set.missing(interval(6, 9)), []);
        assert_eq!(set.covered(interval(8, 22)), [interval(8, 10), interval(20, 22)]);
    }

    proptest! {
        #[test]
        fn set_contains_exactly_the_inserted_instants(list in prop::collection::vec(any_interval(), 0..12)) {
            let set: IntervalSet = list.iter().copied().collect();
            let held: Vec<bool> = (0..SPAN).map(|t| set.contains(Timestamp::from_micros(t))).collect();
            prop_assert_eq!(held, model(&list));
        }

        #[test]
        fn intervals_are_sorted_and_do_not_touch(list in prop::collection::vec(any_interval(), 0..12)) {
            let set: IntervalSet = list.iter().copied().collect();
            let intervals: Vec<_> = set.iter().collect();
            prop_assert!(intervals.is_sorted_by(|a, b| a.end() < b.start()));
        }

        #[test]
        fn missing_and_covered_partition_the_range(
            list in prop::collection::vec(any_interval(), 0..12),
            within in any_interval(),
        ) {
            let set: IntervalSet = list.iter().copied().collect();
            let (missing, covered) = (set.missing(within), set.covered(within));
            for t in (0..SPAN).map(Timestamp::from_micros) {
                let is_within = within.contains(t);
                prop_assert_eq!(missing.iter().any(|part| part.contains(t)), is_within && !set.contains(t));
                prop_assert_eq!(covered.iter().any(|part| part.contains(t)), is_within && set.contains(t));
            }
            prop_assert!(missing.is_sorted_by(|a, b| a.end() < b.start()));
        }

        #[test]
        fn union_does_not_depend_on_the_order(list in prop::collection::vec(any_interval(), 0..12), cut in 0_usize..12) {
            let cut = cut.min(list.len());
            let whole: IntervalSet = list.iter().copied().collect();
            let mut joined: IntervalSet = list[cut..].iter().copied().collect();
            joined.union(&list[..cut].iter().copied().collect());
            prop_assert_eq!(joined, whole);
        }
    }
}
