//! SAR(0.02, 0.2): Wilder's parabolic stop.

use domain::Bar;

use crate::rules::value::Value;
use crate::rules::window::Window;

const STEP: f64 = 0.02;
const MAXIMUM: f64 = 0.2;

/// The range of a bar as the position sees it: for a short one both prices are negated, and it is as if it were long.
#[derive(Debug, Clone, Copy)]
struct Seen {
    low: f64,
    high: f64,
}

impl Seen {
    fn of(bar: &Bar, long: bool) -> Self {
        if long { Self { low: bar.low, high: bar.high } } else { Self { low: -bar.high, high: -bar.low } }
    }
}

/// A position, its prices as it sees them.
#[derive(Debug, Clone, Copy)]
struct Position {
    long: bool,
    stop: f64,
    extreme: f64,
    acceleration: f64,
}

impl Position {
    /// After the first two bars: short when the low fell further than the high rose, otherwise long; its stop is the first bar's
    /// far end, its extreme the second's.
    fn opened(first: &Bar, second: &Bar) -> Self {
        let (up, down) = (second.high - first.high, first.low - second.low);
        let long = !(down > 0.0 && up < down);
        let (stop, extreme) = (Seen::of(first, long).low, Seen::of(second, long).high);
        Self { long, stop, extreme, acceleration: STEP }
    }

    /// Takes a bar, and answers the stop that was in force on it.
    fn step(&mut self, previous: &Bar, bar: &Bar) -> f64 {
        let (before, now) = (Seen::of(previous, self.long), Seen::of(bar, self.long));
        let sign = if self.long { 1.0 } else { -1.0 };
        if now.low <= self.stop {
            let bound = before.high.max(now.high);
            let stop = self.extreme.max(bound);
            let next = (stop + STEP * (now.low - stop)).max(bound);
            *self = Self { long: !self.long, stop: -next, extreme: -now.low, acceleration: STEP };
            return sign * stop;
        }
        let stop = self.stop;
        if now.high > self.extreme {
            self.extreme = now.high;
            self.acceleration = (self.acceleration + STEP).min(MAXIMUM);
        }
        self.stop = (stop + self.acceleration * (self.extreme - stop)).min(before.low).min(now.low);
        sign * stop
    }
}

/// The stop in force on the newest bar; needs two bars.
pub(crate) fn sar(window: &Window<'_>) -> Value {
    window.bars(2)?;
    let bars = window.bars(window.len())?;
    let mut position = Position::opened(&bars[0], &bars[1]);
    // On the second bar there is no bar before, within the position.
    let mut stop = position.step(&bars[1], &bars[1]);
    for pair in bars[1..].windows(2) {
        stop = position.step(&pair[0], &pair[1]);
    }
    Ok(stop)
}
