//! MFI: dollar volume of rising typical prices relative to that of all that moved.

use crate::rules::stats::newest;
use crate::rules::value::{Value, divide};
use crate::rules::window::Window;

/// A smaller change of the typical price, relative to the sum of both, is a rounding error and counts as none.
const RELATIVE_MOVE_MIN: f64 = 1e-14;

/// MFI over `n`, in percent; omitted if no volume moved the price.
pub(crate) fn mfi(window: &Window<'_>, n: usize) -> Value {
    let (typical, volume) = (newest(window.typical(), n + 1)?, newest(window.volume(), n)?);
    let (mut rising, mut falling) = (0.0, 0.0);
    for (prices, volume) in typical.windows(2).zip(volume) {
        let change = prices[1] - prices[0];
        if change.abs() <= RELATIVE_MOVE_MIN * (prices[0] + prices[1]) {
            continue;
        }
        let side = if change < 0.0 { &mut falling } else { &mut rising };
        *side += prices[1] * volume;
    }
    divide(100.0 * rising, rising + falling)
}
