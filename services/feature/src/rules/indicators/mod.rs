//! Indicators as TA-Lib (0.8, default settings) computes them, each for the newest bar of a window.
//!
//! An indicator with memory is seeded at the window's first bar. Where TA-Lib answers 0 for want of a divisor, there is no value.

pub(crate) mod aroon;
pub(crate) mod bbands;
pub(crate) mod cci;
pub(crate) mod directional;
pub(crate) mod ema;
pub(crate) mod macd;
pub(crate) mod pivots;
pub(crate) mod range;
pub(crate) mod regression;
pub(crate) mod rsi;
pub(crate) mod sar;
pub(crate) mod spread;
pub(crate) mod stochastic;
pub(crate) mod swing;
pub(crate) mod ultosc;
