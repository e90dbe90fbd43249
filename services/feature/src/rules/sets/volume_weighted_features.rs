//! Averages of prices and returns, weighted by volume.

use super::volume_features::{volume_weighted, vwap};
use crate::rules::stats::newest;
use crate::rules::value::{Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let vwap = vwap(window, 20);
    values.put("vwap_20", vwap);
    values.put("close_to_vwap_20", vwap.and_then(|vwap| divide(window.newest()?.close, vwap)));
    for (n, name) in [(10, "vwma_10"), (20, "vwma_20"), (50, "vwma_50")] {
        values.put(name, newest(window.close(), n).and_then(|close| volume_weighted(close, window)));
    }
    let r = window.log_returns(20);
    values.put("volume_weighted_return_20", r.and_then(|r| volume_weighted(r, window)));
}
