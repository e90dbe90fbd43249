//! What the symbol has gained beside the benchmarks.

use crate::rules::benchmarks::{Common, in_name};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for symbol in window.benchmarks().compared() {
        let (common, name) = (Common::of(window, *symbol), in_name(*symbol));
        for n in [20, 60, 252] {
            let gained = common.as_ref().map_err(|gap| *gap).and_then(|common| gained(common, n));
            values.put(format!("rs_{name}_{n}"), gained);
        }
    }
}

/// (1 + return) / (1 + the benchmark's return) - 1, over `n` common bars.
fn gained(common: &Common, n: usize) -> Value {
    let (own, benchmark) = common.closes(n + 1)?;
    Ok(divide(divide(own[n], own[0])?, divide(benchmark[n], benchmark[0])?)? - 1.0)
}
