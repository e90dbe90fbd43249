//! AROON: age of the extremes of the window.

use crate::rules::stats::{count, newest};
use crate::rules::value::Value;

/// AROON over `n` (which needs `n + 1` bars) of a column. The extreme is the value that no other `beats`, the newest of equals.
pub(crate) fn aroon(column: &[f64], n: usize, beats: fn(&f64, &f64) -> bool) -> Value {
    let part = newest(column, n + 1)?;
    let extreme = (1..=n).fold(0, |best, index| if beats(&part[best], &part[index]) { best } else { index });
    Ok(100.0 * count(extreme) / count(n))
}

#[cfg(test)]
mod tests {
    use super::aroon;

    #[test]
    fn newest_of_equal_extremes_counts() {
        let high = [1.0, 5.0, 5.0, 3.0, 5.0, 2.0];
        assert_eq!(aroon(&high, 5, f64::gt), Ok(80.0));
        assert_eq!(aroon(&high, 5, f64::lt), Ok(0.0));
        assert_eq!(aroon(&[7.0; 6], 5, f64::gt), Ok(100.0));
    }
}
