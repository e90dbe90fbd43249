//! TRANGE and ATR: range of a bar including the gap before it, and Wilder's average of it.

use domain::Bar;

use super::ema::wilder;
use crate::rules::value::Value;
use crate::rules::window::Window;

/// The largest of high - low, |previous close - high| and |previous close - low|.
pub(crate) fn true_range(previous: &Bar, bar: &Bar) -> f64 {
    (bar.high - bar.low).max((previous.close - bar.high).abs()).max((previous.close - bar.low).abs())
}

/// ATR over `n`.
pub(crate) fn atr(window: &Window<'_>, n: usize) -> Value {
    window.bars(n + 1)?;
    let ranges: Vec<f64> =
        window.steps(window.len() - 1)?.map(|(previous, bar)| true_range(previous, bar)).collect();
    Ok(wilder(&ranges, n))
}
