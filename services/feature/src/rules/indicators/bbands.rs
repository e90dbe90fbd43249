//! BBANDS(20, 2, 2): the simple moving average, and two population standard deviations around it.

use crate::rules::stats::{count, newest};
use crate::rules::value::Gap;

/// The three bands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bands {
    pub(crate) upper: f64,
    pub(crate) middle: f64,
    pub(crate) lower: f64,
}

/// Over the newest `n` of the column.
///
/// Its sums slide from the column's first window to its newest, as TA-Lib's do: near the lower band `bb_percent` is a small
/// difference of large prices, in which the rounding of those sums shows.
pub(crate) fn bbands(close: &[f64], n: usize) -> Result<Bands, Gap> {
    newest(close, n)?;
    let mut total: f64 = close[..n - 1].iter().sum();
    let mut spread = Spread::seeded(&close[..n - 1], n);
    let (mut middle, mut variance) = (0.0, 0.0);
    for part in close.windows(n) {
        total += part[n - 1];
        middle = total / count(n);
        total -= part[0];
        variance = spread.slide(part);
    }
    let distance = 2.0 * variance.sqrt();
    Ok(Bands { upper: middle + distance, middle, lower: middle - distance })
}

/// TA-Lib's sliding population variance: sums of the distances from a shift, taken anew when little is left of them but rounding.
#[derive(Debug, Clone, Copy)]
struct Spread {
    shift: f64,
    sum: f64,
    squares: f64,
    bars_to_reseed: usize,
}

/// A variance below this share of the mean square distance from the shift has lost too many digits.
const LOST_DIGITS: f64 = 1e-6;
/// Likewise sums out of which a square has gone that was this many times what is left.
const LOST_SQUARE: f64 = 1e6;
/// After reseeding, less than this share is rounding and no variance.
const NO_VARIANCE: f64 = 1e-12;
/// The sums are taken anew after this many windows' lengths in any case.
const WINDOWS_TO_RESEED: usize = 32;

impl Spread {
    /// Before the first window of length `n` is full.
    fn seeded(first: &[f64], n: usize) -> Self {
        let mut spread =
            Self { shift: first[0], sum: 0.0, squares: 0.0, bars_to_reseed: WINDOWS_TO_RESEED * n };
        first.iter().for_each(|value| spread.add(*value));
        spread
    }

    /// Takes the newest of the window in, and its oldest out; answers the variance of the whole.
    fn slide(&mut self, window: &[f64]) -> f64 {
        let share = 1.0 / count(window.len());
        self.add(window[window.len() - 1]);
        let variance = self.variance(share);
        let left = self.remove(window[0]);
        self.bars_to_reseed -= 1;
        if variance >= LOST_DIGITS * (self.squares * share)
            && left <= LOST_SQUARE * self.squares
            && self.bars_to_reseed > 0
        {
            return variance;
        }
        let mean = window.iter().sum::<f64>() * share;
        let bars_to_reseed = WINDOWS_TO_RESEED * window.len();
        *self = Self { shift: mean, sum: 0.0, squares: 0.0, bars_to_reseed };
        window.iter().for_each(|value| self.add(*value));
        let (variance, square) = (self.variance(share), self.squares * share);
        self.remove(window[0]);
        if variance < NO_VARIANCE * square { 0.0 } else { variance }
    }

    fn variance(&self, share: f64) -> f64 {
        let mean = self.sum * share;
        self.squares * share - mean * mean
    }

    fn add(&mut self, value: f64) {
        let distance = value - self.shift;
        self.sum += distance;
        self.squares += distance * distance;
    }

    /// Answers the square that has left.
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
        fn equal_closes_have_no_width_whatever_came_before(
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
