//! The distribution of r: mean, standard deviation, and bias-corrected skewness and excess kurtosis.

use crate::rules::stats::{central_sums, count, mean, sample_std};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, mean_name, std_name, skew_name, kurt_name) in [
        (20, "mean_20", "std_20", "skew_20", "kurt_20"),
        (60, "mean_60", "std_60", "skew_60", "kurt_60"),
        (252, "mean_252", "std_252", "skew_252", "kurt_252"),
    ] {
        let r = window.log_returns(n);
        values.put(mean_name, r.map(mean));
        values.put(std_name, r.map(sample_std));
        values.put(skew_name, r.and_then(skewness));
        values.put(kurt_name, r.and_then(excess_kurtosis));
    }
}

/// The adjusted Fisher-Pearson coefficient, as `pandas.Series.skew`; omitted for equal values.
fn skewness(values: &[f64]) -> Value {
    let n = count(values.len());
    let [second, third, _] = central_sums(values);
    Ok(n * (n - 1.0).sqrt() / (n - 2.0) * divide(third, second * second.sqrt())?)
}

/// The unbiased excess kurtosis, as `pandas.Series.kurt`; omitted for equal values.
fn excess_kurtosis(values: &[f64]) -> Value {
    let n = count(values.len());
    let [second, _, fourth] = central_sums(values);
    let ratio = divide(fourth, second * second)?;
    Ok((n - 1.0) / ((n - 2.0) * (n - 3.0)) * (n * (n + 1.0) * ratio - 3.0 * (n - 1.0)))
}
