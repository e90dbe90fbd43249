//! Direction of the price: averages, directional indices, channels and the regression line.

use crate::rules::indicators::aroon::aroon;
use crate::rules::indicators::directional::directional;
use crate::rules::indicators::ema::ema;
use crate::rules::indicators::regression::slope;
use crate::rules::stats::{highest, lowest, newest, sma};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [(10, "sma_10"), (20, "sma_20"), (50, "sma_50"), (200, "sma_200")] {
        values.put(name, sma(window.close(), n));
    }
    for (n, name) in [(10, "ema_10"), (20, "ema_20"), (50, "ema_50"), (200, "ema_200")] {
        values.put(name, ema(window.close(), n));
    }
    let directional = directional(window, 14);
    values.put("adx_14", directional.adx);
    values.put("plus_di_14", directional.plus);
    values.put("minus_di_14", directional.minus);
    values.put("aroon_up_25", aroon(window.high(), 25, f64::gt));
    values.put("aroon_down_25", aroon(window.low(), 25, f64::lt));
    for (n, name) in [(20, "donchian_high_20"), (50, "donchian_high_50")] {
        values.put(name, newest(window.high(), n).map(highest));
    }
    for (n, name) in [(20, "donchian_low_20"), (50, "donchian_low_50")] {
        values.put(name, newest(window.low(), n).map(lowest));
    }
    values.put("linreg_slope_20", slope(window.close(), 20));
}
