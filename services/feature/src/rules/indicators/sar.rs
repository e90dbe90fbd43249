//! SAR(0.02, 0.2): Wilder's parabolic stop.

use domain::Bar;

use crate::rules::value::Value;
use crate::rules::window::Window;

const STEP: f64 = 0.02;
const ACCELERATION_MAX: f64 = 0.2;

/// The range of a bar relative to the position. Both prices are negated for a short position, which is then computed as a long one.
#[derive(Debug, Clone, Copy)]
struct DirectedRange {
    low: f64,
    high: f64,
}

impl DirectedRange {
    fn of(bar: &Bar, long: bool) -> Self {
        if long { Self { low: bar.low, high: bar.high } } else { Self { low: -bar.high, high: -bar.low } }
    }
}

/// A position, with its prices relative to its direction.
#[derive(Debug, Clone, Copy)]
struct Position {
    long: bool,
    stop: f64,
    extreme: f64,
    acceleration: f64,
}

impl Position {
    /// The position after the first two bars: short if the low fell more than the high rose, otherwise long. The stop is the low of the
    /// first bar, the extreme the high of the second, relative to the direction.
    fn opened(first: &Bar, second: &Bar) -> Self {
        let (up, down) = (second.high - first.high, first.low - second.low);
        let long = !(down > 0.0 && up < down);
        let (stop, extreme) = (DirectedRange::of(first, long).low, DirectedRange::of(second, long).high);
        Self { long, stop, extreme, acceleration: STEP }
    }

    /// Processes a bar and returns the stop that applied to it.
    fn step(&mut self, previous: &Bar, bar: &Bar) -> f64 {
        let (before, now) = (DirectedRange::of(previous, self.long), DirectedRange::of(bar, self.long));
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
            self.acceleration = (self.acceleration + STEP).min(ACCELERATION_MAX);
        }
        self.stop = (stop + self.acceleration * (self.extreme - stop)).min(before.low).min(now.low);
        sign * stop
    }
}

/// The stop that applies to the newest bar; needs two bars.
pub(crate) fn sar(window: &Window<'_>) -> Value {
    window.bars(2)?;
    let bars = window.bars(window.len())?;
    let mut position = Position::opened(&bars[0], &bars[1]);
    // The position starts at the second bar, which has no earlier bar in it.
    let mut stop = position.step(&bars[1], &bars[1]);
    for pair in bars[1..].windows(2) {
        stop = position.step(&pair[0], &pair[1]);
    }
    Ok(stop)
}
