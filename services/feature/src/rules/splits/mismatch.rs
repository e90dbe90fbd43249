//! Prices that contradict the known splits.
//!
//! Only the step from the close of one date to the first open of a later one is compared: a split is in force from the start of a date.
//! A ratio `s` and a price that moves by the factor `x` have the distance |ln x + ln s|, so forward and reverse splits count alike.

use domain::calendar::date_of;
use domain::{Bar, Timestamp};

use super::adjustment::Split;
use crate::rules::math::ln;
use crate::rules::reason_class::ReasonClass;

/// The ratios of splits below [`ALWAYS_FROM`] that are searched: others (5:4, 5:2) are as rare as the price moves that resemble them.
const SEARCHED: [f64; 4] = [1.5, 2.0, 3.0, 4.0];

/// From this ratio on, a split of any ratio is searched: the tolerances of 5, 6, 7 and so on overlap.
const ALWAYS_FROM: f64 = 5.0;

/// The tolerance of a ratio `s` is ln s / 16 either way: 2.5 % for 3:2, 4.4 % for 2:1, 9 % for 4:1. Splits have met it in public data
/// (the first open after a 2:1 split within 2 %), crashes have not: AAPL opened on 2000-09-29 at 53 % of its close, 5.4 % off 2:1.
const TOLERANCE: f64 = 1.0 / 16.0;

/// Price moves below this factor, either way, are no unannounced split. Less than the lower bound of 3:2, 1.5^(15/16) = 1.4625.
const MOVE_MIN: f64 = 1.46;

/// Splits below this ratio, either way, are not confirmed by the price: ordinary moves from one date to the next exceed half of it.
const CONFIRMED_FROM: f64 = 1.25;

/// A step of the price that contradicts the known splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// The open time of the later bar.
    pub at: Timestamp,
    pub cause: MismatchCause,
}

/// The contradiction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MismatchCause {
    /// The price moves by this factor, like a split, and no split of this ratio is known.
    Unannounced { factor: f64 },
    /// A split of this ratio is known, and the price moved less than half of it (by the logarithm).
    Unconfirmed { ratio: f64 },
}

/// The mismatches of a window: the newest one, and the number of all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mismatches {
    pub newest: Option<Mismatch>,
    pub count: usize,
}

impl Mismatches {
    /// Returns those of bars as they were received, and of the splits of their symbol; both are oldest first.
    #[must_use]
    pub fn of(bars: &[Bar], splits: &[Split]) -> Self {
        mismatches(bars, splits).collect()
    }

    /// Returns the reason with which a set is marked; `None` without mismatches.
    pub(in crate::rules) fn reason(&self) -> Option<(String, ReasonClass)> {
        let newest = self.newest?;
        let class = match newest.cause {
            MismatchCause::Unannounced { .. } => ReasonClass::UnannouncedSplit,
            MismatchCause::Unconfirmed { .. } => ReasonClass::UnconfirmedSplit,
        };
        let earlier = match self.count {
            0 | 1 => String::new(),
            count => format!(" (and {} earlier)", count - 1),
        };
        Some((format!("{newest}{earlier}"), class))
    }
}

impl FromIterator<Mismatch> for Mismatches {
    /// Collects mismatches, oldest first.
    fn from_iter<I: IntoIterator<Item = Mismatch>>(mismatches: I) -> Self {
        mismatches
            .into_iter()
            .fold(Self::default(), |all, newest| Self { newest: Some(newest), count: all.count + 1 })
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let date = date_of(self.at);
        match self.cause {
            MismatchCause::Unannounced { factor } => {
                write!(
                    f,
                    "price moves like a split on {date} (factor {factor:.4}), and no such split is known"
                )
            }
            MismatchCause::Unconfirmed { ratio } => {
                write!(f, "price does not move with the split of {ratio} on {date}")
            }
        }
    }
}

/// Returns the mismatches of bars as they were received, and the splits of their symbol; both are oldest first.
pub(in crate::rules) fn mismatches<'a>(
    bars: &'a [Bar],
    splits: &'a [Split],
) -> impl Iterator<Item = Mismatch> + 'a {
    let mut next = match bars.first() {
        Some(oldest) => splits.partition_point(|split| split.from <= oldest.open_time),
        None => splits.len(),
    };
    // Most windows have neither a split nor a large step: they cost two comparisons per bar and no branch.
    let is_plain = next == splits.len() && !bars.windows(2).fold(false, |any, step| any | is_large(step));
    let bars = if is_plain { &[] } else { bars };
    bars.windows(2).filter_map(move |step| {
        let (close, open, at) = (step[0].close, step[1].open, step[1].open_time);
        if splits.get(next).is_some_and(|split| split.from <= at) {
            let passed = splits[next..].iter().take_while(|split| split.from <= at);
            let ratio = passed.clone().map(|split| split.ratio).product();
            next += passed.count();
            return of_split(open / close, ratio).map(|cause| Mismatch { at, cause });
        }
        let factor = open / close;
        (is_large(step) && is_like_a_split(factor) && date_of(step[0].open_time) < date_of(at))
            .then_some(Mismatch { at, cause: MismatchCause::Unannounced { factor } })
    })
}

/// Returns `true` if the price moves by [`MOVE_MIN`] or more, or is not positive.
fn is_large(step: &[Bar]) -> bool {
    let (close, open) = (step[0].close, step[1].open);
    !((open * MOVE_MIN > close) & (open < close * MOVE_MIN))
}

/// Returns the mismatch of a price that moves by `factor` where splits of this ratio are known.
fn of_split(factor: f64, ratio: f64) -> Option<MismatchCause> {
    let (moved, split) = (ln(factor), ln(ratio));
    if split.abs() >= ln(CONFIRMED_FROM) && moved.abs() < (moved + split).abs() {
        return Some(MismatchCause::Unconfirmed { ratio });
    }
    is_like_a_split(factor * ratio).then_some(MismatchCause::Unannounced { factor: factor * ratio })
}

/// Returns `true` if the factor is that of a split, within its tolerance. A factor that is not finite or not positive is none.
fn is_like_a_split(factor: f64) -> bool {
    let moved = ln(factor).abs();
    let is_near = |ratio: &f64| (moved - ln(*ratio)).abs() <= ln(*ratio) * TOLERANCE;
    moved.is_finite() && (SEARCHED.iter().any(is_near) || moved >= ln(ALWAYS_FROM) * (1.0 - TOLERANCE))
}
