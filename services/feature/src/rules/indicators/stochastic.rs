//! STOCH(14, 3, 3) and WILLR: where the close lies between the extremes of the window.

use crate::rules::stats::{highest, lowest, mean, newest};
use crate::rules::value::{Gap, Value, divide};
use crate::rules::window::Window;

const PERIOD: usize = 14;
const SMOOTHING: usize = 3;

/// The smoothed line, and its own average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stochastic {
    pub(crate) k: Value,
    pub(crate) d: Value,
}

/// STOCH with simple averages. Both lines begin where the second can.
///
/// A window of the unsmoothed line whose extremes are equal leaves out what is averaged over it: TA-Lib would take it for a 0.
pub(crate) fn stochastic(window: &Window<'_>) -> Stochastic {
    let lines = 2 * SMOOTHING - 1;
    let Ok(bars) = window.bars(PERIOD + lines - 1) else {
        let gap = Err(Gap::Bars(PERIOD + lines - 1));
        return Stochastic { k: gap, d: gap };
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
    values.iter().copied().collect::<Result<Vec<f64>, Gap>>().map(|values| mean(&values))
}
