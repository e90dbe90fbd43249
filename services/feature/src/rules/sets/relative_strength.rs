//! Return of the symbol relative to the benchmarks.

use crate::rules::benchmarks::in_name;
use crate::rules::comparison::{CommonCloses, compared};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for symbol in compared(window) {
        let (common, name) = (CommonCloses::of(window, *symbol), in_name(*symbol));
        for n in [20, 60, 252] {
            let strength = common.as_ref().map_err(|omission| *omission);
            let strength = strength.and_then(|common| relative_return(common, n));
            values.put(format!("rs_{name}_{n}"), strength);
        }
    }
}

/// (1 + return) / (1 + the benchmark's return) - 1, over `n` common bars.
fn relative_return(common: &CommonCloses, n: usize) -> Value {
    let (own, benchmark) = common.closes(n + 1)?;
    Ok(divide(divide(own[n], own[0])?, divide(benchmark[n], benchmark[0])?)? - 1.0)
}
