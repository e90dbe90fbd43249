//! BBANDS(20, 2, 2): simple moving average, and bands of two population standard deviations around it.

use crate::rules::stats::{count, newest};
use crate::rules::value::Omission;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bands {
    pub(crate) upper: f64,
    pub(crate) middle: f64,
    pub(crate) lower: f64,
}

/// Bands over the newest `n` values of the column.
///
/// The sums slide from the first window of the column to the newest, as in TA-Lib: near the lower band `bb_percent` is a small
/// difference of large prices, in which the rounding of the sums is visible.
pub(crate) fn bbands(close: &[f64], n: usize) -> Result<Bands, Omission> {
    newest(close, n)?;
    let mut total: f64 = close[..n - 1].iter().sum();
    let mut sliding = SlidingVariance::seeded(&close[..n - 1], n);
    let (mut middle, mut variance) = (0.0, 0.0);
    for part in close.windows(n) {
        total += part[n - 1];
        middle = total / count(n);
        total -= part[0];
        variance = sliding.slide(part);
    }
    let distance = 2.0 * variance.sqrt();
    Ok(Bands { upper: middle + distance, middle, lower: middle - distance })
}

/// The sliding population variance of TA-Lib: sums of the distances to a shift. The sums are recomputed when they have lost too many
/// digits to rounding.
#[derive(Debug, Clone, Copy)]
struct SlidingVariance {
    shift: f64,
    sum: f64,
    squares: f64,
    bars_to_reseed: usize,
}

/// A variance below this fraction of the mean square distance to the shift has lost too many digits.
const LOST_DIGITS: f64 = 1e-6;
/// The sums have lost too many digits if a removed square was this many times the remaining sum.
const LOST_SQUARE: f64 = 1e6;
/// After reseeding, a variance below this fraction is a rounding error and counts as 0.
const NO_VARIANCE: f64 = 1e-12;
/// The sums are recomputed after this number of window lengths in any case.
const WINDOWS_TO_RESEED: usize = 32;

impl SlidingVariance {
    /// The state before the last value of the first window of length `n`.
    fn seeded(first: &[f64], n: usize) -> Self {
        let mut sliding =
            Self { shift: first[0], sum: 0.0, squares: 0.0, bars_to_reseed: WINDOWS_TO_RESEED * n };
        first.iter().for_each(|value| sliding.add(*value));
        sliding
    }

    /// Adds the newest value of the window, then removes its oldest. Returns the variance in between, which is that of the window.
    fn slide(&mut self, window: &[f64]) -> f64 {
        let weight = 1.0 / count(window.len());
        self.add(window[window.len() - 1]);
        let variance = self.variance(weight);
        let removed = self.remove(window[0]);
        self.bars_to_reseed -= 1;
        if variance >= LOST_DIGITS * (self.squares * weight)
            && removed <= LOST_SQUARE * self.squares
            && self.bars_to_reseed > 0
        {
            return variance;
        }
        let mean = window.iter().sum::<f64>() * weight;
        let bars_to_reseed = WINDOWS_TO_RESEED * window.len();
        *self = Self { shift: mean, sum: 0.0, squares: 0.0, bars_to_reseed };
        window.iter().for_each(|value| self.add(*value));
        let (variance, square) = (self.variance(weight), self.squares * weight);
        self.remove(window[0]);
        if variance < NO_VARIANCE * square { 0.0 } else { variance }
    }

    fn variance(&self, weight: f64) -> f64 {
        let mean = self.sum * weight;
        self.squares * weight - mean * mean
    }

    fn add(&mut self, value: f64) {
        let distance = value - self.shift;
        self.sum += distance;
        self.squares += distance * distance;
    }

    /// Returns the removed square.
    fn remove(&mut self, value: f64) -> f64 {
        let distance = value - self.shift;
        self.sum -= distance;
        self.squares -= distance * distance;
        distance * distance
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::bbands;

    proptest! {
        #[test]
        fn equal_closes_have_no_width_after_any_closes(
            before in prop::collection::vec(0.01..1e6_f64, 0..60),
            close in 0.01..1e6_f64,
            flat in 20_usize..300,
        ) {
            let mut column = before;
            column.resize(column.len() + flat, close);
            let bands = bbands(&column, 20).unwrap();
            prop_assert_eq!(bands.upper, bands.lower);
        }
    }
}
