//! Intervals of time.

use crate::timestamp::Timestamp;

/// A half-open interval: from `start` to before `end`. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

/// Error of an interval whose end is not after its start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the range from {start} to {end} is empty")]
pub struct IntervalError {
    start: Timestamp,
    end: Timestamp,
}

impl Interval {
    /// Returns the interval `[start, end)`.
    ///
    /// # Errors
    /// If `start ≥ end`.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, IntervalError> {
        if start < end { Ok(Self { start, end }) } else { Err(IntervalError { start, end }) }
    }

    /// Returns the interval of a range in events, which includes `last`.
    ///
    /// # Errors
    /// If `start > last`, or `last` is the last instant that can be represented.
    pub fn from_inclusive(start: Timestamp, last: Timestamp) -> Result<Self, IntervalError> {
        match last.checked_add_micros(1) {
            Some(end) if start < end => Ok(Self { start, end }),
            _ => Err(IntervalError { start, end: last }),
        }
    }

    /// Returns the first instant.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.start
    }

    /// Returns the first instant after the interval.
    #[must_use]
    pub const fn end(self) -> Timestamp {
        self.end
    }

    /// Returns the last instant, one microsecond before the end. Events have it as `end`.
    #[must_use]
    pub const fn last(self) -> Timestamp {
        Timestamp::from_micros(self.end.micros() - 1)
    }

    #[must_use]
    pub fn contains(self, instant: Timestamp) -> bool {
        self.start <= instant && instant < self.end
    }

    /// Returns the common part. `None` if the intervals do not overlap.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end)).ok()
    }

    /// Returns the smallest interval that contains both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl std::fmt::Debug for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, IntervalError};
    use crate::timestamp::Timestamp;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn empty_interval_is_rejected() {
        let empty = |start, end| Err(IntervalError { start: at(start), end: at(end) });
        assert_eq!(Interval::new(at(5), at(5)), empty(5, 5));
        assert_eq!(Interval::from_inclusive(at(6), at(5)), empty(6, 5));
        assert_eq!(Interval::from_inclusive(at(0), at(i64::MAX)), empty(0, i64::MAX));
        assert_eq!(
            Interval::new(at(0), at(0)).unwrap_err().to_string(),
            "the range from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z is empty"
        );
    }

    #[test]
    fn inclusive_range_contains_its_last_instant() {
        let one = Interval::from_inclusive(at(5), at(5)).unwrap();
        assert!(one.contains(at(5)) && !one.contains(at(6)) && !one.contains(at(4)));
        assert_eq!((one.last(), one.end().micros_since(one.start())), (at(5), 1));
    }

    #[test]
    fn adjacent_intervals_do_not_intersect() {
        let (a, b) = (Interval::new(at(0), at(5)).unwrap(), Interval::new(at(5), at(9)).unwrap());
        assert_eq!(a.intersection(b), None);
        assert_eq!(a.hull(b), Interval::new(at(0), at(9)).unwrap());
    }
}
