//! Bollinger bands, Ichimoku lines, the parabolic stop, and classic pivots.

use crate::rules::indicators::bbands::bbands;
use crate::rules::indicators::pivots::Pivots;
use crate::rules::indicators::sar::sar;
use crate::rules::stats::{highest, lowest, newest};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    put_bands(window, values);
    let (tenkan, kijun) = (middle(window, 9), middle(window, 26));
    values.put("ichimoku_tenkan", tenkan);
    values.put("ichimoku_kijun", kijun);
    // If bars are missing, the number of `kijun` is the larger one.
    values.put("ichimoku_senkou_a", kijun.and_then(|kijun| Ok((tenkan? + kijun) / 2.0)));
    values.put("ichimoku_senkou_b", middle(window, 52));
    values.put("sar", sar(window));
    put_pivots(window, values);
}

fn put_bands(window: &Window<'_>, values: &mut Values) {
    let bands = bbands(window.close(), 20);
    values.put("bb_upper", bands.map(|bands| bands.upper));
    values.put("bb_middle", bands.map(|bands| bands.middle));
    values.put("bb_lower", bands.map(|bands| bands.lower));
    values.put("bb_width", bands.and_then(|bands| divide(bands.upper - bands.lower, bands.middle)));
    let percent = |close: f64| {
        let bands = bands?;
        divide(close - bands.lower, bands.upper - bands.lower)
    };
    values.put("bb_percent", window.newest().and_then(|bar| percent(bar.close)));
}

fn put_pivots(window: &Window<'_>, values: &mut Values) {
    let pivots = window.prior().map(Pivots::of);
    values.put("pivot", pivots.map(|pivots| pivots.pivot));
    for (index, name) in ["pivot_r1", "pivot_r2", "pivot_r3"].into_iter().enumerate() {
        values.put(name, pivots.map(|pivots| pivots.resistances()[index]));
    }
    for (index, name) in ["pivot_s1", "pivot_s2", "pivot_s3"].into_iter().enumerate() {
        values.put(name, pivots.map(|pivots| pivots.supports()[index]));
    }
}

/// The middle of the newest `n` bars' range.
fn middle(window: &Window<'_>, n: usize) -> Value {
    Ok(f64::midpoint(highest(newest(window.high(), n)?), lowest(newest(window.low(), n)?)))
}
