//! MACD(12, 26, 9).

use super::ema::Ema;
use crate::rules::stats::newest;
use crate::rules::value::Gap;

const FAST: usize = 12;
const SLOW: usize = 26;
const SIGNAL: usize = 9;

/// The difference of the two averages, and its own average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Macd {
    pub(crate) line: f64,
    pub(crate) signal: f64,
}

/// Both need the bars of the slow average and of the signal; the fast average's seed ends on the bar where the slow one's does.
pub(crate) fn macd(close: &[f64]) -> Result<Macd, Gap> {
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
