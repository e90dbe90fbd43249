//! Simple returns.

use super::price_features::simple_return;
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [
        (1, "return_1"),
        (2, "return_2"),
        (3, "return_3"),
        (5, "return_5"),
        (10, "return_10"),
        (20, "return_20"),
        (60, "return_60"),
    ] {
        values.put(name, simple_return(window, n));
    }
    values.put("overnight_return", overnight(window).map(|ratio| ratio - 1.0));
    values.put("intraday_return", intraday(window).map(|ratio| ratio - 1.0));
}

/// The newest open divided by the close before it.
pub(super) fn overnight(window: &Window<'_>) -> Value {
    let pair = window.bars(2)?;
    divide(pair[1].open, pair[0].close)
}

/// The newest close divided by its open.
pub(super) fn intraday(window: &Window<'_>) -> Value {
    let bar = window.newest()?;
    divide(bar.close, bar.open)
}
