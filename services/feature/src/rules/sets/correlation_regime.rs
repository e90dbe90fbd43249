//! Change of the correlation of the symbol with the market.

use crate::rules::benchmarks::MARKET;
use crate::rules::comparison::CommonCloses;
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let change = CommonCloses::of(window, MARKET)
        .and_then(|common| Ok(common.correlation(20)? - common.correlation(60)?));
    values.put("corr_spy_20_minus_60", change);
}
