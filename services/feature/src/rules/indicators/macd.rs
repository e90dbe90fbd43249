//! MACD(12, 26, 9): difference of a fast and a slow exponential moving average.

use super::ema::Ema;
use crate::rules::stats::newest;
use crate::rules::value::Omission;

const FAST: usize = 12;
const SLOW: usize = 26;
const SIGNAL: usize = 9;

/// The difference of the two averages, and its own average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Macd {
    pub(crate) line: f64,
    pub(crate) signal: f64,
}

/// Computes both lines, which need the bars of the slow average and of the signal. The seeds of both averages end at the same bar.
pub(crate) fn macd(close: &[f64]) -> Result<Macd, Omission> {
    newest(close, SLOW + SIGNAL - 1)?;
    let (seed, rest) = close.split_at(SLOW);
    let mut fast = Ema::seeded(&seed[SLOW - FAST..]);
    let mut slow = Ema::seeded(seed);
    let lines: Vec<f64> = std::iter::once(fast.value - slow.value)
        .chain(rest.iter().map(|close| {
            fast.push(*close);
            slow.push(*close);
            fast.value - slow.value
        }))
        .collect();
    let (seed, rest) = lines.split_at(SIGNAL);
    let mut signal = Ema::seeded(seed);
    rest.iter().for_each(|line| signal.push(*line));
    Ok(Macd { line: lines[lines.len() - 1], signal: signal.value })
}
