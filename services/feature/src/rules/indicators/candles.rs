//! CDL…: candlestick patterns with TA-Lib's default settings, at the newest bar.

use domain::Bar;

use crate::rules::stats::count;
use crate::rules::value::{Omission, Value};
use crate::rules::window::Window;

/// A threshold of TA-Lib: `factor` times the mean of a measure over the `period` bars before a bar.
struct Setting {
    measure: fn(&Bar) -> f64,
    period: usize,
    factor: f64,
}

/// A body is long if it exceeds the threshold, and short otherwise.
const BODY: Setting = Setting { measure: body, period: 10, factor: 1.0 };
const BODY_DOJI: Setting = Setting { measure: range, period: 10, factor: 0.1 };
const SHADOW_VERY_SHORT: Setting = Setting { measure: range, period: 10, factor: 0.1 };
const NEAR: Setting = Setting { measure: range, period: 5, factor: 0.2 };

/// The share of the first body that the third one of a star must cover.
const PENETRATION: f64 = 0.3;

const FOUND: f64 = 100.0;
/// An engulfing or harami pattern with an end of both bodies at the same price.
const FOUND_WITH_EQUAL_ENDS: f64 = 80.0;
const NOT_FOUND: f64 = 0.0;

fn body(bar: &Bar) -> f64 {
    (bar.close - bar.open).abs()
}

fn range(bar: &Bar) -> f64 {
    bar.high - bar.low
}

fn top(bar: &Bar) -> f64 {
    bar.close.max(bar.open)
}

fn bottom(bar: &Bar) -> f64 {
    bar.close.min(bar.open)
}

fn upper_shadow(bar: &Bar) -> f64 {
    bar.high - top(bar)
}

fn lower_shadow(bar: &Bar) -> f64 {
    bottom(bar) - bar.low
}

/// 1 for a white candle, which closed at or above its open, and -1 for a black one.
fn color(bar: &Bar) -> f64 {
    if bar.close >= bar.open { 1.0 } else { -1.0 }
}

/// The bars of a pattern. TA-Lib computes it from the bar at index `lookback`.
struct Candles<'a> {
    bars: &'a [Bar],
    lookback: usize,
}

impl<'a> Candles<'a> {
    fn of(window: &Window<'a>, lookback: usize) -> Result<Self, Omission> {
        window.bars(lookback + 1)?;
        Ok(Self { bars: window.all(), lookback })
    }

    /// The bar `back` bars before the newest.
    fn bar(&self, back: usize) -> &'a Bar {
        &self.bars[self.bars.len() - 1 - back]
    }

    /// The threshold for the bar `back` bars before the newest.
    ///
    /// The sum slides from the first bar that has a pattern to the newest, as in TA-Lib. A sum over the newest bars alone has other
    /// rounding errors, and decides differently where a measure equals its threshold.
    fn threshold(&self, setting: &Setting, back: usize) -> f64 {
        let &Setting { measure, period, factor } = setting;
        let first = self.lookback - back;
        let mut sum: f64 = self.bars[first - period..first].iter().map(measure).sum();
        let entering = &self.bars[first..self.bars.len() - 1 - back];
        for (leaving, entering) in self.bars[first - period..].iter().zip(entering) {
            sum += measure(entering) - measure(leaving);
        }
        factor * (sum / count(period))
    }

    fn is_long(&self, back: usize) -> bool {
        body(self.bar(back)) > self.threshold(&BODY, back)
    }
}

/// CDLDOJI: the body is tiny.
pub(crate) fn doji(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 10)?;
    let is_doji = body(candles.bar(0)) <= candles.threshold(&BODY_DOJI, 0);
    Ok(if is_doji { FOUND } else { NOT_FOUND })
}

/// CDLHAMMER: a short body with a long shadow below and none above, at or below the low of the bar before.
pub(crate) fn hammer(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 11)?;
    let (before, bar) = (candles.bar(1), candles.bar(0));
    let is_hammer = body(bar) < candles.threshold(&BODY, 0)
        && lower_shadow(bar) > body(bar)
        && upper_shadow(bar) < candles.threshold(&SHADOW_VERY_SHORT, 0)
        && bottom(bar) <= before.low + candles.threshold(&NEAR, 1);
    Ok(if is_hammer { FOUND } else { NOT_FOUND })
}

/// CDLSHOOTINGSTAR: a short body with a long shadow above and none below, which gaps up.
pub(crate) fn shooting_star(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 11)?;
    let (before, bar) = (candles.bar(1), candles.bar(0));
    let is_star = body(bar) < candles.threshold(&BODY, 0)
        && upper_shadow(bar) > body(bar)
        && lower_shadow(bar) < candles.threshold(&SHADOW_VERY_SHORT, 0)
        && bottom(bar) > top(before);
    Ok(if is_star { -FOUND } else { NOT_FOUND })
}

/// CDLMARUBOZU: a long body without shadows.
pub(crate) fn marubozu(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 10)?;
    let bar = candles.bar(0);
    let shadow_max = candles.threshold(&SHADOW_VERY_SHORT, 0);
    let is_marubozu = candles.is_long(0) && upper_shadow(bar) < shadow_max && lower_shadow(bar) < shadow_max;
    Ok(if is_marubozu { color(bar) * FOUND } else { NOT_FOUND })
}

/// CDLENGULFING: the body covers that of the bar before, which has the other color.
pub(crate) fn engulfing(window: &Window<'_>) -> Value {
    // TA-Lib has this lookback, although it reads two bars.
    let candles = Candles::of(window, 2)?;
    let (before, bar) = (candles.bar(1), candles.bar(0));
    let (covers_top, covers_bottom) = (top(bar) >= top(before), bottom(bar) <= bottom(before));
    let (is_above, is_below) = (top(bar) > top(before), bottom(bar) < bottom(before));
    let is_engulfing = color(bar) != color(before) && covers_top && covers_bottom && (is_above || is_below);
    let size = if is_above && is_below { FOUND } else { FOUND_WITH_EQUAL_ENDS };
    Ok(if is_engulfing { color(bar) * size } else { NOT_FOUND })
}

/// CDLHARAMI: a short body within the long body of the bar before.
pub(crate) fn harami(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 11)?;
    let (before, bar) = (candles.bar(1), candles.bar(0));
    if !candles.is_long(1) || body(bar) > candles.threshold(&BODY, 0) {
        return Ok(NOT_FOUND);
    }
    Ok(-color(before)
        * if top(bar) < top(before) && bottom(bar) > bottom(before) {
            FOUND
        } else if top(bar) <= top(before) && bottom(bar) >= bottom(before) {
            FOUND_WITH_EQUAL_ENDS
        } else {
            NOT_FOUND
        })
}

/// CDLMORNINGSTAR: a long black body, a short one below it, and a white one that closes within the first.
pub(crate) fn morning_star(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 12)?;
    let (first, star, bar) = (candles.bar(2), candles.bar(1), candles.bar(0));
    let is_star = has_bodies_of_a_star(&candles)
        && color(first) < 0.0
        && top(star) < bottom(first)
        && color(bar) > 0.0
        && bar.close > first.close + body(first) * PENETRATION;
    Ok(if is_star { FOUND } else { NOT_FOUND })
}

/// CDLEVENINGSTAR: a long white body, a short one above it, and a black one that closes within the first.
pub(crate) fn evening_star(window: &Window<'_>) -> Value {
    let candles = Candles::of(window, 12)?;
    let (first, star, bar) = (candles.bar(2), candles.bar(1), candles.bar(0));
    let is_star = has_bodies_of_a_star(&candles)
        && color(first) > 0.0
        && bottom(star) > top(first)
        && color(bar) < 0.0
        && bar.close < first.close - body(first) * PENETRATION;
    Ok(if is_star { -FOUND } else { NOT_FOUND })
}

fn has_bodies_of_a_star(candles: &Candles<'_>) -> bool {
    candles.is_long(2) && !candles.is_long(1) && candles.is_long(0)
}
