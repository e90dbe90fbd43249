//! Regime of the market as a whole: values of its own bars, the same for every symbol.

use crate::rules::benchmarks::MARKET;
use crate::rules::comparison::BenchmarkCloses;
use crate::rules::stats::{highest, mean, sample_std};
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    let annual = window.annualisation();
    let market = BenchmarkCloses::of(window, MARKET);
    let of = |rule: &dyn Fn(&BenchmarkCloses) -> Value| {
        market.as_ref().map_err(|omission| *omission).and_then(rule)
    };
    let sma = |own: &BenchmarkCloses, n: usize| own.closes(n).map(mean);
    let close = |own: &BenchmarkCloses| own.closes(1).map(|closes| closes[0]);
    values.put("spy_above_sma_200", of(&|own| Ok(f64::from(u8::from(close(own)? > sma(own, 200)?)))));
    values.put("spy_sma_50_to_200", of(&|own| divide(sma(own, 50)?, sma(own, 200)?)));
    values.put("spy_realized_20", of(&|own| Ok(sample_std(&own.log_returns(20)?) * annual)));
    values.put("spy_drawdown_252", of(&|own| Ok(1.0 - divide(close(own)?, highest(own.closes(252)?))?)));
}
