//! Adjustment of bars by splits.

use std::borrow::Cow;

use domain::calendar::{Date, day_open};
use domain::{Bar, Timestamp};

/// A split of a symbol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The start of the ex-date in New York: bars that opened before it have prices of old shares.
    pub from: Timestamp,
    /// The number of new shares per old share.
    pub ratio: f64,
}

impl Split {
    /// A split that is in force from the start of its ex-date on.
    #[must_use]
    pub fn on(ex_date: Date, ratio: f64) -> Self {
        Self { from: day_open(ex_date), ratio }
    }
}

/// Returns the splits with an ex-date up to that of `as_of`.
fn known(splits: &[Split], as_of: Timestamp) -> &[Split] {
    &splits[..splits.partition_point(|split| split.from <= as_of)]
}

/// Adjusts the bars of a symbol as of the open time of the newest bar used. Bars and splits are oldest first.
pub fn adjust(bars: &mut [Bar], splits: &[Split], as_of: Timestamp) {
    let mut later = known(splits, as_of);
    let mut factor = None;
    for bar in bars {
        let passed = later.iter().take_while(|split| split.from <= bar.open_time).count();
        if passed > 0 {
            (later, factor) = (&later[passed..], None);
        }
        if later.is_empty() {
            return;
        }
        // One product in the order of the ex-dates: its bits do not depend on the bars that are held.
        let factor = *factor.get_or_insert_with(|| later.iter().map(|split| split.ratio).product::<f64>());
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            *price /= factor;
        }
        bar.volume *= factor;
    }
}

/// Returns the bars as [`adjust`] leaves them. They are copied only if a split changes one.
#[must_use]
pub fn adjusted<'a>(bars: &'a [Bar], splits: &[Split], as_of: Timestamp) -> Cow<'a, [Bar]> {
    let changes =
        |oldest: &Bar| known(splits, as_of).last().is_some_and(|split| oldest.open_time < split.from);
    if !bars.first().is_some_and(changes) {
        return Cow::Borrowed(bars);
    }
    let mut bars = bars.to_vec();
    adjust(&mut bars, splits, as_of);
    Cow::Owned(bars)
}
