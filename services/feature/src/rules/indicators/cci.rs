//! CCI: distance of the newest typical price to the mean, in mean distances.

use crate::rules::stats::{count, mean, newest};
use crate::rules::value::{Value, divide};

/// CCI over `n`; omitted if all typical prices are equal.
pub(crate) fn cci(typical: &[f64], n: usize) -> Value {
    let part = newest(typical, n)?;
    let mean = mean(part);
    let distances: f64 = part.iter().map(|price| (price - mean).abs()).sum();
    divide(part[n - 1] - mean, 0.015 * (distances / count(n)))
}
