//! Liquidity: price impact, dollars traded, and bars without a return.

use super::volume_features::dollar_volume_mean;
use crate::rules::indicators::spread::amihud;
use crate::rules::stats::count;
use crate::rules::value::{Value, Values};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [(5, "amihud_5"), (20, "amihud_20"), (60, "amihud_60")] {
        values.put(name, amihud(window, n));
    }
    for (n, name) in
        [(5, "dollar_volume_mean_5"), (20, "dollar_volume_mean_20"), (60, "dollar_volume_mean_60")]
    {
        values.put(name, dollar_volume_mean(window, n));
    }
    values.put("zero_return_share_20", zero_return_share(window, 20));
}

/// The share of the newest `n` bars that closed where the bar before did.
fn zero_return_share(window: &Window<'_>, n: usize) -> Value {
    let unmoved = window.steps(n)?.filter(|(previous, bar)| bar.close == previous.close).count();
    Ok(count(unmoved) / count(n))
}
