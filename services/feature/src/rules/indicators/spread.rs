//! Effective spread and price impact of trades, estimated from bars.

use domain::Bar;

use crate::rules::math::{exp, exp_m1, ln, squared};
use crate::rules::stats::{at_least_zero, count, mean, sample_covariance};
use crate::rules::value::{Value, divide};
use crate::rules::window::Window;

/// Corwin and Schultz (2012): the mean of the newest `n` two-bar estimates, each floored at 0, without an adjustment for gaps overnight.
pub(crate) fn corwin_schultz(window: &Window<'_>, n: usize) -> Value {
    let estimates: Vec<f64> = window.steps(n)?.map(|(previous, bar)| two_bars(previous, bar)).collect();
    Ok(mean(&estimates))
}

fn two_bars(previous: &Bar, bar: &Bar) -> f64 {
    let squared = |high: f64, low: f64| squared(ln(high / low));
    let beta = squared(previous.high, previous.low) + squared(bar.high, bar.low);
    let gamma = squared(previous.high.max(bar.high), previous.low.min(bar.low));
    let scale = 3.0 - 2.0 * std::f64::consts::SQRT_2;
    let alpha = ((2.0 * beta).sqrt() - beta.sqrt()) / scale - (gamma / scale).sqrt();
    at_least_zero(2.0 * exp_m1(alpha) / (1.0 + exp(alpha)))
}

/// Roll (1984): twice the root of the negated covariance of successive changes of the close, over `n` pairs; 0 if the covariance is
/// positive.
pub(crate) fn roll(window: &Window<'_>, n: usize) -> Value {
    let changes: Vec<f64> = window.steps(n + 1)?.map(|(previous, bar)| bar.close - previous.close).collect();
    Ok(2.0 * at_least_zero(-sample_covariance(&changes[1..], &changes[..n])).sqrt())
}

/// Amihud (2002): the mean of |simple return| per dollar traded over `n` bars, times a million.
pub(crate) fn amihud(window: &Window<'_>, n: usize) -> Value {
    let mut sum = 0.0;
    for (previous, bar) in window.steps(n)? {
        let simple_return = divide(bar.close, previous.close)? - 1.0;
        sum += divide(simple_return.abs(), bar.close * bar.volume)?;
    }
    Ok(sum / count(n) * 1e6)
}

/// Abdi and Ranaldo (2017): from the distances of a close to the middles of its own bar and of the next one, over `n` pairs of bars; 0 if
/// their mean product is negative.
pub(crate) fn abdi_ranaldo(window: &Window<'_>, n: usize) -> Value {
    let middle = |bar: &Bar| f64::midpoint(ln(bar.high), ln(bar.low));
    let products: Vec<f64> = window
        .steps(n)?
        .map(|(bar, next)| 4.0 * (ln(bar.close) - middle(bar)) * (ln(bar.close) - middle(next)))
        .collect();
    Ok(at_least_zero(mean(&products)).sqrt())
}
