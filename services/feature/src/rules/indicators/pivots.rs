//! Pivot points of a day bar: classic levels and Fibonacci levels.

use domain::Bar;

/// The basis of the levels of the next day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pivots {
    high: f64,
    low: f64,
    /// (high + low + close) / 3.
    pub(crate) pivot: f64,
}

impl Pivots {
    pub(crate) fn of(day: &Bar) -> Self {
        Self { high: day.high, low: day.low, pivot: (day.high + day.low + day.close) / 3.0 }
    }

    /// The classic resistances, nearest first.
    pub(crate) fn resistances(&self) -> [f64; 3] {
        let Self { high, low, pivot } = *self;
        [2.0 * pivot - low, pivot + high - low, high + 2.0 * (pivot - low)]
    }

    /// The classic supports, nearest first.
    pub(crate) fn supports(&self) -> [f64; 3] {
        let Self { high, low, pivot } = *self;
        [2.0 * pivot - high, pivot - high + low, low - 2.0 * (high - pivot)]
    }

    /// The pivot plus this fraction of the day's range.
    pub(crate) fn fibonacci(&self, ratio: f64) -> f64 {
        self.pivot + ratio * (self.high - self.low)
    }
}
