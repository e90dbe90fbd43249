//! Present volatility relative to that of the past.

use crate::rules::stats::{count, sample_std};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

/// Values of r in one value of volatility.
const RETURNS: usize = 20;
/// Values of volatility that are compared: as many as the window has between these bounds.
const COMPARED_MIN: usize = 60;
const COMPARED_MAX: usize = 252;
/// Values that differ by less count as equal.
const RELATIVE_DIFFERENCE: f64 = 1e-12;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    values.put("vol_percentile_252", percentile(window));
    // The longer window is the one whose shortfall is named. Both annualisations are the same.
    let ratio = window
        .log_returns(60)
        .and_then(|long| divide(sample_std(window.log_returns(RETURNS)?), sample_std(long)));
    values.put("vol_ratio_20_60", ratio);
}

/// The share of the newest values of volatility that are at most the newest one.
fn percentile(window: &Window<'_>) -> Value {
    let r = window.all_log_returns(COMPARED_MIN + RETURNS - 1)?;
    let volatilities = || r.windows(RETURNS).rev().take(COMPARED_MAX).map(sample_std);
    let limit = volatilities().next().unwrap_or(f64::NAN) * (1.0 + RELATIVE_DIFFERENCE);
    let (mut all, mut at_most) = (0, 0);
    for volatility in volatilities() {
        if volatility.is_nan() {
            return Ok(f64::NAN); // no share of an unknown value
        }
        all += 1;
        at_most += usize::from(volatility <= limit);
    }
    Ok(count(at_most) / count(all))
}
