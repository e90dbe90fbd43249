//! Levels at which the price may reverse: pivots, Fibonacci levels and swing points.

use crate::rules::indicators::pivots::Pivots;
use crate::rules::indicators::swing::swing;
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let pivots = window.prior().map(Pivots::of);
    values.put("pivot", pivots.map(|pivots| pivots.pivot));
    values.put("pivot_r1", pivots.map(|pivots| pivots.resistances()[0]));
    values.put("pivot_s1", pivots.map(|pivots| pivots.supports()[0]));
    for (ratio, name) in [(0.382, "fib_r1"), (0.618, "fib_r2"), (1.0, "fib_r3")] {
        values.put(name, pivots.map(|pivots| pivots.fibonacci(ratio)));
    }
    for (ratio, name) in [(0.382, "fib_s1"), (0.618, "fib_s2"), (1.0, "fib_s3")] {
        values.put(name, pivots.map(|pivots| pivots.fibonacci(-ratio)));
    }
    let high = swing(window.high(), f64::gt);
    let low = swing(window.low(), f64::lt);
    let distance = |level: Value| Ok(divide(window.newest()?.close, level?)? - 1.0);
    values.put("swing_high", high);
    values.put("swing_low", low);
    values.put("swing_high_distance", distance(high));
    values.put("swing_low_distance", distance(low));
}
