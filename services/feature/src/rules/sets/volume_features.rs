//! Traded volume, in shares and in dollars.

use crate::rules::stats::{mean, newest, sma};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let volume = window.newest().map(|bar| bar.volume);
    values.put("volume", volume);
    let means = [(5, "volume_mean_5"), (10, "volume_mean_10"), (30, "volume_mean_30")];
    let ratios = [(5, "volume_ratio_5"), (10, "volume_ratio_10"), (30, "volume_ratio_30")];
    for (n, name) in means {
        values.put(name, sma(window.volume(), n));
    }
    for (n, name) in ratios {
        values.put(name, sma(window.volume(), n).and_then(|mean| divide(volume?, mean)));
    }
    for (n, name) in [(5, "vwap_5"), (15, "vwap_15"), (60, "vwap_60")] {
        values.put(name, vwap(window, n));
    }
    values.put("dollar_volume", window.newest().map(|bar| bar.close * bar.volume));
    values.put("dollar_volume_mean_20", dollar_volume_mean(window, 20));
}

/// Σ(tp · v) / Σv of the newest `n`.
pub(super) fn vwap(window: &Window<'_>, n: usize) -> Value {
    volume_weighted(newest(window.typical(), n)?, window)
}

/// Σ(x · v) / Σv of the newest values, each with the volume of its bar.
pub(super) fn volume_weighted(column: &[f64], window: &Window<'_>) -> Value {
    let volume = newest(window.volume(), column.len())?;
    divide(column.iter().zip(volume).map(|(value, volume)| value * volume).sum(), volume.iter().sum())
}

/// Mean of c · v of the newest `n`.
pub(super) fn dollar_volume_mean(window: &Window<'_>, n: usize) -> Value {
    Ok(mean(&window.bars(n)?.iter().map(|bar| bar.close * bar.volume).collect::<Vec<_>>()))
}
