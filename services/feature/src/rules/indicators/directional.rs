//! PLUS_DI, MINUS_DI and ADX: how much of the range went beyond the bar before, upwards and downwards.

use domain::Bar;

use super::range::true_range;
use crate::rules::stats::count;
use crate::rules::value::{Gap, Value, divide};
use crate::rules::window::Window;

/// In ADX, TA-Lib takes a sum of the two indices (percent) below this for 0.
const NO_DIRECTION: f64 = 1e-14;

/// Wilder's running sums of the directional moves and of the true range.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    plus: f64,
    minus: f64,
    range: f64,
}

impl Sums {
    fn decay(&mut self, n: f64) {
        self.plus -= self.plus / n;
        self.minus -= self.minus / n;
        self.range -= self.range / n;
    }

    /// Only the larger of the two moves counts, and neither when they are equal.
    fn add(&mut self, previous: &Bar, bar: &Bar) {
        let (up, down) = (bar.high - previous.high, previous.low - bar.low);
        if down > 0.0 && up < down {
            self.minus += down;
        } else if up > 0.0 && up > down {
            self.plus += up;
        }
        self.range += true_range(previous, bar);
    }

    fn plus_index(&self) -> Value {
        divide(100.0 * self.plus, self.range)
    }

    fn minus_index(&self) -> Value {
        divide(100.0 * self.minus, self.range)
    }

    /// DX: the difference of the indices as a share of their sum, in percent.
    fn direction(&self) -> Value {
        let (plus, minus) = (self.plus_index()?, self.minus_index()?);
        let sum = plus + minus;
        if sum < NO_DIRECTION { Err(Gap::Divisor) } else { Ok(100.0 * (plus - minus).abs() / sum) }
    }
}

/// The three values over one pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directional {
    pub(crate) plus: Value,
    pub(crate) minus: Value,
    pub(crate) adx: Value,
}

/// Over `n`: the indices need `n + 1` bars, their average `2 n`.
///
/// A bar without a direction counts 0 in ADX's seed and is passed over after it, as in TA-Lib; ADX itself is left out when the
/// newest bar has none, which is when no bar of the window had.
pub(crate) fn directional(window: &Window<'_>, n: usize) -> Directional {
    let Ok(steps) = window.bars(n + 1).and_then(|_| window.steps(window.len() - 1)) else {
        let gap = Err(Gap::Bars(n + 1));
        return Directional { plus: gap, minus: gap, adx: Err(Gap::Bars(2 * n)) };
    };
    let period = count(n);
    let mut sums = Sums::default();
    let mut seed = 0.0;
    let mut adx = Err(Gap::Bars(2 * n));
    for (place, (previous, bar)) in (1..).zip(steps) {
        if place < n {
            sums.add(previous, bar);
            continue;
        }
        sums.decay(period);
        sums.add(previous, bar);
        let direction = sums.direction();
        match adx {
            Err(_) => {
                seed += direction.unwrap_or(0.0);
                if place == 2 * n - 1 {
                    adx = Ok(seed / period);
                }
            }
            Ok(average) => adx = Ok(direction.map_or(average, |new| average + (new - average) / period)),
        }
    }
    Directional {
        plus: sums.plus_index(),
        minus: sums.minus_index(),
        adx: adx.and_then(|average| sums.direction().map(|_| average)),
    }
}
