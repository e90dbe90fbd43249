//! Momentum of the price: oscillators and rates of change.

use crate::rules::indicators::cci::cci;
use crate::rules::indicators::macd::macd;
use crate::rules::indicators::rsi::rsi;
use crate::rules::indicators::stochastic::{stochastic, williams};
use crate::rules::indicators::ultosc::ultimate_oscillator;
use crate::rules::stats::ends;
use crate::rules::value::{Value, Values, divide};
use crate::rules::window::Window;

pub(super) fn put(window: &Window<'_>, values: &mut Values) {
    for (n, name) in [(9, "rsi_9"), (14, "rsi_14"), (21, "rsi_21")] {
        values.put(name, rsi(window.close(), n));
    }
    let macd = macd(window.close());
    values.put("macd", macd.map(|macd| macd.line));
    values.put("macd_signal", macd.map(|macd| macd.signal));
    values.put("macd_hist", macd.map(|macd| macd.line - macd.signal));
    values.put("roc_10", roc(window, 10));
    values.put("mom_10", ends(window.close(), 10).map(|(last, before)| last - before));
    let stochastic = stochastic(window);
    values.put("stoch_k", stochastic.k);
    values.put("stoch_d", stochastic.d);
    values.put("willr_14", williams(window, 14));
    values.put("cci_20", cci(window.typical(), 20));
    values.put("ultosc", ultimate_oscillator(window));
}

/// ROC: the simple return over `n` bars in percent.
fn roc(window: &Window<'_>, n: usize) -> Value {
    let (last, before) = ends(window.close(), n)?;
    Ok((divide(last, before)? - 1.0) * 100.0)
}
