//! Volatility: annualised estimates from closes and from ranges, and the average true range.

use std::f64::consts::LN_2;

use domain::Bar;

use crate::rules::indicators::true_range::atr;
use crate::rules::math::{ln, squared};
use crate::rules::stats::{at_least_zero, count, mean, sample_std, sample_variance};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let annual = window.annualisation();
    for (n, name) in [(10, "realized_10"), (20, "realized_20"), (50, "realized_50")] {
        values.put(name, window.log_returns(n).map(|r| sample_std(r) * annual));
    }
    for (n, name) in [(10, "ewm_10"), (20, "ewm_20")] {
        values.put(name, window.all_log_returns(n).map(|r| weighted_std(r, n) * annual));
    }
    let root = |variance: f64| at_least_zero(variance).sqrt() * annual;
    values.put("parkinson_20", mean_of_bars(window, parkinson).map(root));
    values.put("garman_klass_20", mean_of_bars(window, garman_klass).map(root));
    values.put("rogers_satchell_20", mean_of_bars(window, rogers_satchell).map(root));
    values.put("yang_zhang_20", yang_zhang(window).map(root));
    let atr = atr(window, 14);
    values.put("atr_14", atr);
    values.put("natr_14", atr.and_then(|atr| Ok(100.0 * divide(atr, window.newest()?.close)?)));
}

/// The window of the estimates from ranges.
const RANGE_BARS: usize = 20;

fn mean_of_bars(window: &Window<'_>, of: fn(&Bar) -> f64) -> Value {
    Ok(mean(&window.bars(RANGE_BARS)?.iter().map(of).collect::<Vec<_>>()))
}

/// Parkinson (1980).
fn parkinson(bar: &Bar) -> f64 {
    squared(ln(bar.high / bar.low)) / (4.0 * LN_2)
}

/// Garman and Klass (1980).
fn garman_klass(bar: &Bar) -> f64 {
    squared(ln(bar.high / bar.low)) / 2.0 - (2.0 * LN_2 - 1.0) * squared(ln(bar.close / bar.open))
}

/// Rogers and Satchell (1991).
fn rogers_satchell(bar: &Bar) -> f64 {
    let Bar { open, high, low, close, .. } = *bar;
    ln(high / close) * ln(high / open) + ln(low / close) * ln(low / open)
}

/// Yang and Zhang (2000): the variances overnight and from open to close, and the estimate of Rogers and Satchell.
fn yang_zhang(window: &Window<'_>) -> Value {
    let n = count(RANGE_BARS);
    let overnight: Vec<f64> =
        window.steps(RANGE_BARS)?.map(|(previous, bar)| ln(bar.open / previous.close)).collect();
    let intraday: Vec<f64> = window.bars(RANGE_BARS)?.iter().map(|bar| ln(bar.close / bar.open)).collect();
    let k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
    let range = mean_of_bars(window, rogers_satchell)?;
    Ok(sample_variance(&overnight) + k * sample_variance(&intraday) + (1.0 - k) * range)
}

/// The unbiased standard deviation under exponential weights of the given span, as `pandas.Series.ewm(span=n).std()`.
fn weighted_std(values: &[f64], span: usize) -> f64 {
    let decay = 1.0 - 2.0 / (count(span) + 1.0);
    let newest = values.last().copied().unwrap_or(f64::NAN);
    let weighted = || {
        values.iter().rev().scan(1.0, |weight, value| {
            let now = *weight;
            *weight *= decay;
            Some((now, value - newest))
        })
    };
    let (sum, squares, mean) = weighted().fold((0.0, 0.0, 0.0), |(sum, squares, mean), (weight, value)| {
        (sum + weight, squares + weight * weight, mean + weight * value)
    });
    let mean = mean / sum;
    let spread: f64 = weighted().map(|(weight, value)| weight * squared(value - mean)).sum();
    // The weighted mean square without its bias.
    (spread / (sum - squares / sum)).sqrt()
}
