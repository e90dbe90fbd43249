//! Distance of the newest return, volume and range to those before it, in standard deviations.

use crate::rules::math::ln;
use crate::rules::stats::z_score;
use crate::rules::value::{Omission, Values};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [(20, "return_zscore_20"), (60, "return_zscore_60")] {
        values.put(name, window.log_returns(n + 1).and_then(|r| z_score(r, n)));
    }
    for (n, name) in [(20, "volume_zscore_20"), (60, "volume_zscore_60")] {
        values.put(name, z_score(window.volume(), n));
    }
    let ranges: Result<Vec<f64>, Omission> =
        window.bars(21).map(|bars| bars.iter().map(|bar| ln(bar.high) - ln(bar.low)).collect());
    values.put("range_zscore_20", ranges.and_then(|ranges| z_score(&ranges, 20)));
}
