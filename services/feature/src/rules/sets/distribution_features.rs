//! Shape of the distribution of r: quantiles, and the distance to a normal distribution.

use crate::rules::stats::{central_sums, count, percentile, sorted};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

const RETURNS: usize = 252;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let r = window.log_returns(RETURNS);
    let sorted = r.map(sorted);
    for (percent, name) in [
        (5, "quantile_05"),
        (25, "quantile_25"),
        (50, "quantile_50"),
        (75, "quantile_75"),
        (95, "quantile_95"),
    ] {
        let quantile = sorted.as_ref().map(|sorted| percentile(sorted, percent));
        values.put(name, quantile.map_err(|omission| *omission));
    }
    values.put("jarque_bera_252", r.and_then(jarque_bera));
}

/// n / 6 · (S² + K² / 4) with the biased skewness S and excess kurtosis K, as `scipy.stats.jarque_bera`; omitted for equal values.
fn jarque_bera(values: &[f64]) -> Value {
    let n = count(values.len());
    let [second, third, fourth] = central_sums(values).map(|sum| sum / n);
    let skewness = divide(third, second * second.sqrt())?;
    let excess_kurtosis = divide(fourth, second * second)? - 3.0;
    Ok(n / 6.0 * (skewness * skewness + excess_kurtosis * excess_kurtosis / 4.0))
}
