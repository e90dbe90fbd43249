//! ULTOSC(7, 14, 28): buying pressure relative to the true range, over three windows.

use super::true_range::true_range;
use crate::rules::value::{Value, divide};
use crate::rules::window::Window;

/// The windows and their weights.
const PARTS: [(usize, f64); 3] = [(7, 4.0), (14, 2.0), (28, 1.0)];

/// Omitted if one of the windows has no range; TA-Lib uses 0 for its part instead.
pub(crate) fn ultimate_oscillator(window: &Window<'_>) -> Value {
    window.bars(PARTS[2].0 + 1)?;
    let mut sum = 0.0;
    for (n, weight) in PARTS {
        let (pressure, range) = window.steps(n)?.fold((0.0, 0.0), |(pressure, range), (previous, bar)| {
            (pressure + (bar.close - bar.low.min(previous.close)), range + true_range(previous, bar))
        });
        sum += weight * divide(pressure, range)?;
    }
    Ok(100.0 * sum / 7.0)
}
