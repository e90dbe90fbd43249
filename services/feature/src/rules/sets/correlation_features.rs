//! How closely the symbol goes with the benchmarks.

use crate::rules::benchmarks::{Common, in_name};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for symbol in window.benchmarks().compared() {
        let (common, name) = (Common::of(window, *symbol), in_name(*symbol));
        let common = || common.as_ref().map_err(|gap| *gap);
        for n in [20, 60, 252] {
            values.put(format!("corr_{name}_{n}"), common().and_then(|common| common.correlation(n)));
        }
        values.put(format!("beta_{name}_60"), common().and_then(|common| common.beta(60)));
    }
}
