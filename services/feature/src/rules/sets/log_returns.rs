//! Log returns.

use super::returns_features::{intraday, overnight};
use crate::rules::math::ln;
use crate::rules::stats::ends;
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [
        (1, "log_return_1"),
        (2, "log_return_2"),
        (3, "log_return_3"),
        (5, "log_return_5"),
        (10, "log_return_10"),
        (20, "log_return_20"),
        (60, "log_return_60"),
    ] {
        values.put(name, log_return(window, n));
    }
    values.put("log_overnight", overnight(window).map(ln));
    values.put("log_intraday", intraday(window).map(ln));
}

fn log_return(window: &Window<'_>, n: usize) -> Value {
    let (last, before) = ends(window.close(), n)?;
    divide(last, before).map(ln)
}
