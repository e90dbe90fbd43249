//! EMA: exponential moving average, and Wilder's average.

use crate::rules::stats::{count, mean, newest};
use crate::rules::value::Value;

/// An exponential moving average with the weight 2 / (n + 1) for the newest value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ema {
    weight: f64,
    /// The average of the values so far.
    pub(crate) value: f64,
}

impl Ema {
    /// Seeded with the mean of its first `n` values.
    pub(crate) fn seeded(first: &[f64]) -> Self {
        Self { weight: 2.0 / (count(first.len()) + 1.0), value: mean(first) }
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, value: f64) {
        self.value += self.weight * (value - self.value);
    }
}

/// EMA of the column over `n`.
pub(crate) fn ema(column: &[f64], n: usize) -> Value {
    newest(column, n)?;
    let (first, rest) = column.split_at(n);
    let mut ema = Ema::seeded(first);
    rest.iter().for_each(|value| ema.push(*value));
    Ok(ema.value)
}

/// Wilder's average: the mean of the first `n` values, then the weight 1 / n for each newer one. `column` has at least `n` values.
pub(crate) fn wilder(column: &[f64], n: usize) -> f64 {
    let (first, rest) = column.split_at(n);
    let period = count(n);
    rest.iter().fold(mean(first), |average, value| average + (value - average) / period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::value::Omission;

    #[test]
    fn average_is_seeded_with_the_mean_of_the_first_values() {
        assert_eq!(ema(&[1.0, 2.0, 3.0], 3), Ok(2.0));
        assert_eq!(ema(&[1.0, 2.0, 3.0, 6.0], 3), Ok(4.0));
        assert_eq!(ema(&[1.0, 2.0], 3), Err(Omission::TooFewBars(3)));
        assert_eq!(wilder(&[1.0, 2.0, 3.0, 8.0], 3), 4.0);
    }

    #[test]
    fn equal_values_are_their_own_average() {
        assert_eq!(ema(&[0.1; 300], 20), Ok(0.1));
        assert_eq!(wilder(&[0.1; 300], 14), 0.1);
    }
}
