//! Splits: the days on which the number of shares changes, and the bars as traded.

use domain::calendar::{Date, date_of};
use domain::{Bar, Symbol};

use super::random::{below, dated, unit};

/// The ratios of forward splits, new shares per old share.
const RATIOS: [f64; 4] = [2.0, 3.0, 4.0, 10.0];

/// The ratio of a reverse split.
const REVERSE: f64 = 0.1;

/// The price under which a forward split does not lower a share, and from which on there is no reverse split.
const PRICE_MIN: f64 = 5.0;

const SESSIONS_A_DECADE: f64 = 2_520.0;

/// A split of a symbol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) ex_date: Date,
    /// New shares per old share.
    pub(super) ratio: f64,
}

/// Divides the prices of day bars by the ratios of all splits up to their date, and multiplies their volumes. Returns the splits.
pub(super) fn split_bars(bars: &mut [Bar], (seed, symbol): (u64, Symbol), per_decade: u16) -> Vec<Split> {
    let mut splits = Vec::new();
    if per_decade == 0 {
        return splits;
    }
    let probability = f64::from(per_decade) / SESSIONS_A_DECADE;
    let (mut factor, mut previous_close) = (1.0, None);
    for bar in bars {
        let date = date_of(bar.open_time);
        let mut rng = dated(seed, symbol, date, "split");
        let ratio = previous_close.filter(|_| unit(&mut rng) < probability).and_then(|close| {
            let forward = RATIOS.into_iter().filter(|ratio| close / ratio >= PRICE_MIN).collect::<Vec<_>>();
            let chosen = forward.get(below(&mut rng, forward.len())).copied();
            if close < PRICE_MIN { Some(REVERSE) } else { chosen }
        });
        if let Some(ratio) = ratio {
            factor *= ratio;
            splits.push(Split { ex_date: date, ratio });
        }
        *bar = divided(*bar, factor);
        previous_close = Some(bar.close);
    }
    splits
}

/// Returns the bar in shares of which one was `1 / factor` shares. Prices are whole cents, at least one.
pub(super) fn divided(bar: Bar, factor: f64) -> Bar {
    let price = |price: f64| ((price / factor * 100.0).round() / 100.0).max(0.01);
    Bar {
        open_time: bar.open_time,
        open: price(bar.open),
        high: price(bar.high),
        low: price(bar.low),
        close: price(bar.close),
        volume: (bar.volume * factor).round(),
    }
}
