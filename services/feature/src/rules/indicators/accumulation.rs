//! OBV, AD and ADOSC: volume summed by the direction of the price.

use domain::Bar;

use crate::rules::stats::count;
use crate::rules::value::{Omission, Value};
use crate::rules::window::Window;

/// OBV: begins with the volume of the window's first bar, and adds or subtracts that of each bar that closed above or below the one before.
pub(crate) fn obv(window: &Window<'_>) -> Value {
    let first = window.all().first().ok_or(Omission::TooFewBars(1))?;
    let moved = |sum: f64, (previous, bar): (&Bar, &Bar)| {
        if bar.close > previous.close {
            sum + bar.volume
        } else if bar.close < previous.close {
            sum - bar.volume
        } else {
            sum
        }
    };
    Ok(window.steps(window.len() - 1)?.fold(first.volume, moved))
}

/// The volume times the position of the close in the range, from -1 at the low to 1 at the high; 0 without a range.
fn signed_volume(bar: &Bar) -> f64 {
    let range = bar.high - bar.low;
    if range > 0.0 { ((bar.close - bar.low) - (bar.high - bar.close)) / range * bar.volume } else { 0.0 }
}

/// AD: the sum of the signed volumes of the window.
pub(crate) fn ad(window: &Window<'_>) -> Value {
    window.newest()?;
    Ok(window.all().iter().fold(0.0, |line, bar| line + signed_volume(bar)))
}

/// ADOSC: difference of two exponential averages of AD over `fast` and `slow` bars, both seeded with its first value.
///
/// Both averages are sums of weighted values in the order of TA-Lib: the difference of two large numbers keeps their rounding errors.
pub(crate) fn adosc(window: &Window<'_>, fast: usize, slow: usize) -> Value {
    window.bars(slow)?;
    let (first, rest) = window.all().split_first().ok_or(Omission::TooFewBars(slow))?;
    let weights = [fast, slow].map(|n| 2.0 / (count(n) + 1.0));
    let mut line = signed_volume(first);
    let mut averages = [line; 2];
    for bar in rest {
        line += signed_volume(bar);
        for (average, weight) in averages.iter_mut().zip(weights) {
            *average = weight * line + (1.0 - weight) * *average;
        }
    }
    Ok(averages[0] - averages[1])
}
