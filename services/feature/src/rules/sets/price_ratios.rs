//! Ratios between prices; 1 means equal.

use super::returns_features::intraday;
use crate::rules::stats::{highest, lowest, newest, sma};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    values.put("close_to_open", intraday(window));
    values.put("high_to_low", window.newest().and_then(|bar| divide(bar.high, bar.low)));
    let close_to = |level: Value| divide(window.newest()?.close, level?);
    for (n, name) in [(20, "close_to_sma_20"), (50, "close_to_sma_50"), (200, "close_to_sma_200")] {
        values.put(name, close_to(sma(window.close(), n)));
    }
    values.put("close_to_high_252", close_to(newest(window.high(), 252).map(highest)));
    values.put("close_to_low_252", close_to(newest(window.low(), 252).map(lowest)));
}
