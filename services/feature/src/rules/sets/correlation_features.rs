//! Correlation and beta of the symbol with the benchmarks.

use crate::rules::benchmarks::in_name;
use crate::rules::comparison::{CommonCloses, compared};
use crate::rules::value::Values;
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for symbol in compared(window) {
        let (common, name) = (CommonCloses::of(window, *symbol), in_name(*symbol));
        let common = || common.as_ref().map_err(|omission| *omission);
        for n in [20, 60, 252] {
            values.put(format!("corr_{name}_{n}"), common().and_then(|common| common.correlation(n)));
        }
        values.put(format!("beta_{name}_60"), common().and_then(|common| common.beta(60)));
    }
}
