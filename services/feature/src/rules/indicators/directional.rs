//! PLUS_DI, MINUS_DI and ADX: moves above and below the range of the previous bar, relative to the true range.

use domain::Bar;

use super::true_range::true_range;
use crate::rules::stats::count;
use crate::rules::value::{Omission, Value, divide};
use crate::rules::window::Window;

/// In ADX, TA-Lib treats a sum of the two indices (percent) below this as 0.
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

    /// Only the larger of the two moves counts. Equal moves do not count.
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

    /// DX: the difference of the indices relative to their sum, in percent.
    fn direction(&self) -> Value {
        let (plus, minus) = (self.plus_index()?, self.minus_index()?);
        let sum = plus + minus;
        if sum < NO_DIRECTION { Err(Omission::ZeroDivisor) } else { Ok(100.0 * (plus - minus).abs() / sum) }
    }
}

/// The three values, computed in one pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directional {
    pub(crate) plus: Value,
    pub(crate) minus: Value,
    pub(crate) adx: Value,
}

/// The values over `n`: the indices need `n + 1` bars, their average `2 n`.
///
/// As in TA-Lib, a bar without a direction counts as 0 in the seed of ADX and is skipped after it. ADX is omitted if the newest bar has
/// no direction, which is the case if no bar of the window has one.
pub(crate) fn directional(window: &Window<'_>, n: usize) -> Directional {
    let Ok(steps) = window.bars(n + 1).and_then(|_| window.steps(window.len() - 1)) else {
        let omission = Err(Omission::TooFewBars(n + 1));
        return Directional { plus: omission, minus: omission, adx: Err(Omission::TooFewBars(2 * n)) };
    };
    let period = count(n);
    let mut sums = Sums::default();
    let mut seed = 0.0;
    let mut adx = Err(Omission::TooFewBars(2 * n));
    for (index, (previous, bar)) in (1..).zip(steps) {
        if index < n {
            sums.add(previous, bar);
            continue;
        }
        sums.decay(period);
        sums.add(previous, bar);
        let direction = sums.direction();
        match adx {
            Err(_) => {
                seed += direction.unwrap_or(0.0);
                if index == 2 * n - 1 {
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
