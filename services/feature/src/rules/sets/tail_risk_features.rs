//! Losses in the tail of the distribution of r, as positive numbers.

use crate::rules::math::squared;
use crate::rules::stats::{at_least_zero, count, mean, newest, percentile, sorted};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

const BARS: usize = 252;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let r = window.log_returns(BARS);
    let sorted = r.map(sorted);
    let of_tail = |percent: usize, of: fn(&[f64], usize) -> f64| -> Value {
        let sorted = sorted.as_ref().map_err(|omission| *omission)?;
        Ok(-of(sorted, percent))
    };
    values.put("var_95", of_tail(5, percentile));
    values.put("var_99", of_tail(1, percentile));
    values.put("cvar_95", of_tail(5, mean_of_tail));
    values.put("cvar_99", of_tail(1, mean_of_tail));
    values.put("max_drawdown_252", newest(window.close(), BARS).and_then(deepest_drawdown));
    values.put("downside_deviation_252", r.map(downside_deviation));
}

/// The mean of the values at or below the quantile in percent.
fn mean_of_tail(sorted: &[f64], percent: usize) -> f64 {
    let limit = percentile(sorted, percent);
    mean(&sorted[..sorted.partition_point(|value| *value <= limit)])
}

/// The largest 1 - c / peak, where the peak is the highest close so far.
fn deepest_drawdown(closes: &[f64]) -> Value {
    let (mut peak, mut drawdown) = (f64::NEG_INFINITY, 0.0);
    for close in closes {
        peak = close.max(peak);
        drawdown = (1.0 - divide(*close, peak)?).max(drawdown);
    }
    Ok(drawdown)
}

fn downside_deviation(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|value| squared(at_least_zero(-value))).sum();
    (squares / count(values.len())).sqrt()
}
