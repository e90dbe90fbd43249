//! STOCH(14, 3, 3) and WILLR: position of the close between the extremes of the window.

use crate::rules::stats::{highest, lowest, mean, newest};
use crate::rules::value::{Omission, Value, divide};
use crate::rules::window::Window;

const PERIOD: usize = 14;
const SMOOTHING: usize = 3;

/// The smoothed line, and its own average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stochastic {
    pub(crate) k: Value,
    pub(crate) d: Value,
}

/// STOCH with simple averages. Both lines need the bars of the second one.
///
/// If the extremes of a window of the unsmoothed line are equal, the averages over it are omitted; TA-Lib uses 0 instead.
pub(crate) fn stochastic(window: &Window<'_>) -> Stochastic {
    let lines = 2 * SMOOTHING - 1;
    let Ok(bars) = window.bars(PERIOD + lines - 1) else {
        let omission = Err(Omission::TooFewBars(PERIOD + lines - 1));
        return Stochastic { k: omission, d: omission };
    };
    let unsmoothed: Vec<Value> = bars
        .windows(PERIOD)
        .map(|part| {
            let high = part.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
            let low = part.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
            divide(100.0 * (part[PERIOD - 1].close - low), high - low)
        })
        .collect();
    let smoothed: Vec<Value> = unsmoothed.windows(SMOOTHING).map(average).collect();
    Stochastic { k: smoothed[SMOOTHING - 1], d: average(&smoothed) }
}

/// WILLR over `n`: 0 at the highest high, -100 at the lowest low.
pub(crate) fn williams(window: &Window<'_>, n: usize) -> Value {
    let (high, low) = (highest(newest(window.high(), n)?), lowest(newest(window.low(), n)?));
    divide(-100.0 * (high - window.newest()?.close), high - low)
}

fn average(values: &[Value]) -> Value {
    values.iter().copied().collect::<Result<Vec<f64>, Omission>>().map(|values| mean(&values))
}
