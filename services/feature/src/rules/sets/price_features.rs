//! Prices of the newest bar, and the position of its close in recent ranges.

use domain::Bar;

use crate::rules::stats::{ends, highest, lowest, newest, sma};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let of_newest = |of: fn(&Bar) -> f64| window.newest().map(of);
    values.put("open", of_newest(|bar| bar.open));
    values.put("high", of_newest(|bar| bar.high));
    values.put("low", of_newest(|bar| bar.low));
    values.put("close", of_newest(|bar| bar.close));
    values.put("typical_price", newest(window.typical(), 1).map(|price| price[0]));
    for (n, high, low, average, position) in [
        (5, "high_5", "low_5", "sma_5", "position_5"),
        (10, "high_10", "low_10", "sma_10", "position_10"),
        (20, "high_20", "low_20", "sma_20", "position_20"),
        (50, "high_50", "low_50", "sma_50", "position_50"),
    ] {
        values.put(high, newest(window.high(), n).map(highest));
        values.put(low, newest(window.low(), n).map(lowest));
        values.put(average, sma(window.close(), n));
        values.put(position, position_in_range(window, n));
    }
    for (n, name) in [(1, "return_1"), (5, "return_5"), (20, "return_20")] {
        values.put(name, simple_return(window, n));
    }
}

fn position_in_range(window: &Window<'_>, n: usize) -> Value {
    let (high, low) = (highest(newest(window.high(), n)?), lowest(newest(window.low(), n)?));
    divide(window.newest()?.close - low, high - low)
}

/// c / c[-n] - 1.
pub(super) fn simple_return(window: &Window<'_>, n: usize) -> Value {
    let (last, before) = ends(window.close(), n)?;
    Ok(divide(last, before)? - 1.0)
}
