//! Volume by the direction of the price.

use crate::rules::indicators::accumulation::{ad, adosc, obv};
use crate::rules::indicators::mfi::mfi;
use crate::rules::stats::z_score;
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    values.put("obv", obv(window));
    values.put("ad", ad(window));
    values.put("adosc_3_10", adosc(window, 3, 10));
    values.put("mfi_14", mfi(window, 14));
    values.put("volume_zscore_20", z_score(window.volume(), 20));
    values.put("up_volume_share_20", up_volume_share(window, 20));
}

/// The volume of the bars that closed above the bar before, divided by that of all `n`.
fn up_volume_share(window: &Window<'_>, n: usize) -> Value {
    let (mut up, mut all) = (0.0, 0.0);
    for (previous, bar) in window.steps(n)? {
        all += bar.volume;
        if bar.close > previous.close {
            up += bar.volume;
        }
    }
    divide(up, all)
}
