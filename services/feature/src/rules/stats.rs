//! Statistics over columns of numbers.
//!
//! A mean is computed from the distances to the first value, so that equal values have exactly their own mean and a spread of exactly
//! 0. A plain sum would add a rounding error.

use super::value::{Omission, Value, divide};

/// Converts a count to a divisor. Exact below 2^53; a window has hundreds of bars.
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}

/// Returns the newest `n` values of the column (oldest first), or the omission that `n` bars are needed.
pub(crate) fn newest(column: &[f64], n: usize) -> Result<&[f64], Omission> {
    let start = column.len().checked_sub(n).ok_or(Omission::TooFewBars(n))?;
    Ok(&column[start..])
}

/// Returns the last value and the one `n` before it, or the omission that `n + 1` bars are needed.
pub(crate) fn ends(column: &[f64], n: usize) -> Result<(f64, f64), Omission> {
    let part = newest(column, n + 1)?;
    Ok((part[n], part[0]))
}

/// Arithmetic mean; NaN without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let first = values.first().copied().unwrap_or(f64::NAN);
    first + values.iter().map(|value| value - first).sum::<f64>() / count(values.len())
}

/// Σ(x - mean)^power for the powers 2, 3 and 4.
pub(crate) fn central_sums(values: &[f64]) -> [f64; 3] {
    let mean = mean(values);
    values.iter().fold([0.0; 3], |[second, third, fourth], value| {
        let distance = value - mean;
        let square = distance * distance;
        [second + square, third + square * distance, fourth + square * square]
    })
}

/// Sample variance (divisor n - 1) of at least two values.
pub(crate) fn sample_variance(values: &[f64]) -> f64 {
    central_sums(values)[0] / (count(values.len()) - 1.0)
}

/// Sample standard deviation (divisor n - 1) of at least two values.
pub(crate) fn sample_std(values: &[f64]) -> f64 {
    sample_variance(values).sqrt()
}

/// Sample covariance (divisor n - 1) of two columns of the same length, at least two.
pub(crate) fn sample_covariance(left: &[f64], right: &[f64]) -> f64 {
    let (left_mean, right_mean) = (mean(left), mean(right));
    let sum: f64 = left.iter().zip(right).map(|(x, y)| (x - left_mean) * (y - right_mean)).sum();
    sum / (count(left.len()) - 1.0)
}

/// The highest value; -∞ without values.
pub(crate) fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The lowest value; ∞ without values.
pub(crate) fn lowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Replaces a negative value with 0. Unlike `f64::max` it returns NaN for NaN, which is omitted later instead of becoming a zero.
pub(crate) fn at_least_zero(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

/// Simple moving average of the newest `n` values.
pub(crate) fn sma(column: &[f64], n: usize) -> Value {
    newest(column, n).map(mean)
}

/// The distance of the last value to the mean of the `n` before it, in their standard deviations.
pub(crate) fn z_score(column: &[f64], n: usize) -> Value {
    let part = newest(column, n + 1)?;
    let (last, before) = (part[n], &part[..n]);
    divide(last - mean(before), sample_std(before))
}

/// Returns the values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The quantile of ascending values in percent, linear between the two nearest, as `numpy.percentile`; NaN without values, or if one is NaN.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    // A negative NaN is the first value, a positive one the last.
    if sorted[0].is_nan() || sorted[last].is_nan() {
        return f64::NAN;
    }
    let (index, rest) = (percent * last / 100, percent * last % 100);
    let (low, high) = (sorted[index], sorted[last.min(index + 1)]);
    low + (high - low) * (count(rest) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_their_own_mean_and_no_spread() {
        for value in [0.1, 1.0 / 3.0, 118.56, 1e300, -7.7e-9] {
            for n in [2, 3, 7, 20, 252] {
                let values = vec![value; n];
                assert_eq!(mean(&values), value);
                assert_eq!(central_sums(&values), [0.0; 3]);
                assert_eq!(sample_std(&values), 0.0);
                assert_eq!(sample_covariance(&values, &values), 0.0);
            }
        }
    }

    #[test]
    fn newest_returns_values_or_the_needed_number() {
        assert_eq!(newest(&[1.0, 2.0, 3.0], 2), Ok(&[2.0, 3.0][..]));
        assert_eq!(newest(&[1.0], 2), Err(Omission::TooFewBars(2)));
        assert_eq!(ends(&[1.0, 2.0, 3.0], 2), Ok((3.0, 1.0)));
        assert_eq!(ends(&[1.0, 2.0, 3.0], 3), Err(Omission::TooFewBars(4)));
    }

    #[test]
    fn nan_is_not_replaced_with_zero() {
        assert!(at_least_zero(f64::NAN).is_nan());
        assert_eq!(at_least_zero(-1.0), 0.0);
    }

    #[test]
    fn percentile_is_linear_between_values() {
        let values = sorted(&[4.0, 1.0, 3.0, 2.0]);
        let percentiles = [0, 50, 90, 100].map(|percent| percentile(&values, percent));
        assert_eq!(percentiles, [1.0, 2.5, 3.7, 4.0]);
        assert!(percentile(&[], 5).is_nan());
        for nan in [f64::NAN, -f64::NAN] {
            assert!(percentile(&sorted(&[1.0, nan, 2.0]), 5).is_nan());
        }
    }

    #[test]
    fn z_score_counts_deviations_of_the_values_before() {
        assert_eq!(z_score(&[9.0, 1.0, 2.0, 3.0, 5.0], 3), Ok(3.0));
        assert_eq!(z_score(&[2.0, 2.0, 2.0, 5.0], 3), Err(Omission::ZeroDivisor));
        assert_eq!(z_score(&[1.0, 2.0, 3.0], 3), Err(Omission::TooFewBars(4)));
    }
}
