//! Correlation of the symbol with bonds, gold and the dollar.

use crate::rules::benchmarks::{INTERMARKET, in_name};
use crate::rules::comparison::CommonCloses;
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for symbol in INTERMARKET {
        let correlation = CommonCloses::of(window, symbol).and_then(|common| common.correlation(60));
        values.put(format!("corr_{}_60", in_name(symbol)), correlation);
    }
}
