//! Whether the symbol goes more closely with the market than it used to.

use crate::rules::benchmarks::{Common, MARKET};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let change =
        Common::of(window, MARKET).and_then(|common| Ok(common.correlation(20)? - common.correlation(60)?));
    values.put("corr_spy_20_minus_60", change);
}
