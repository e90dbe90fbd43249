//! Indicators as TA-Lib (0.8, default settings) computes them, each for the newest bar of a window.
//!
//! An indicator with memory is seeded at the first bar of the window. If TA-Lib returns 0 because a divisor is 0, the value is omitted.

pub(crate) mod accumulation;
pub(crate) mod aroon;
pub(crate) mod bbands;
pub(crate) mod candles;
pub(crate) mod cci;
pub(crate) mod directional;
pub(crate) mod ema;
pub(crate) mod macd;
pub(crate) mod mfi;
pub(crate) mod pivots;
pub(crate) mod regression;
pub(crate) mod rsi;
pub(crate) mod sar;
pub(crate) mod spread;
pub(crate) mod stochastic;
pub(crate) mod swing;
pub(crate) mod true_range;
pub(crate) mod ultosc;
