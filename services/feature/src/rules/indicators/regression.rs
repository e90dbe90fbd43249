//! LINEARREG_SLOPE: slope of the least-squares line.

use crate::rules::stats::{count, newest};
use crate::rules::value::Value;

/// Slope per bar over the newest `n` values of the column.
///
/// The two sums slide from the first window of the column to the newest, as in TA-Lib, and accumulate rounding errors. With sums over
/// the newest window alone, a small slope of large prices would differ from TA-Lib's by more than 1e-9.
pub(crate) fn slope(column: &[f64], n: usize) -> Value {
    newest(column, n)?;
    let period = count(n);
    let (mut values, mut weighted) = (0.0, 0.0);
    // Weights count the bars back from the newest, which has 0.
    for (value, weight) in column.iter().zip((0..n).rev()) {
        values += value;
        weighted += count(weight) * value;
    }
    for (leaving, entering) in column.iter().zip(&column[n..]) {
        weighted = weighted + values - period * leaving;
        values = values - leaving + entering;
    }
    let weights = period * (period - 1.0) / 2.0;
    let squares = period * (period - 1.0) * (2.0 * period - 1.0) / 6.0;
    Ok((period * weighted - weights * values) / (weights * weights - period * squares))
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn line_has_its_slope_for_any_first_bar() {
        let line: Vec<f64> = (0..100).map(|x| 3.0 + 0.5 * f64::from(x)).collect();
        assert_eq!(slope(&line[..20], 20), Ok(0.5));
        assert_eq!(slope(&line, 20), Ok(0.5));
        assert_eq!(slope(&[0.5; 60], 20), Ok(0.0));
    }
}
