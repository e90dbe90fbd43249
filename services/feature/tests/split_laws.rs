//! Laws of splits for any history of announcements. `PROPTEST_CASES=10000` runs as many histories.

use std::collections::BTreeMap;

use domain::calendar::{Date, date_of, day_open};
use domain::{Bar, FeatureSet, Symbol, Timeframe, Timestamp};
use feature::rules::{Mismatches, SetResult, Split, Splits, Window, adjust, adjusted, compute};
use jiff::ToSpan;
use proptest::prelude::*;

const SYMBOLS: [Symbol; 3] = [Symbol::constant("AAPL"), Symbol::constant("MSFT"), Symbol::constant("SPY")];
const HOUR_MICROS: i64 = 3_600_000_000;

/// The first date, a week before clocks change.
const FIRST: Date = Date::constant(2024, 3, 4);

fn date(day: i64) -> Date {
    FIRST.saturating_add(day.days())
}

/// Announcements in the order of the topic: symbol, day of the ex-date, ratio. 1 withdraws a split.
fn history() -> impl Strategy<Value = Vec<(usize, i64, f64)>> {
    let ratio = prop_oneof![
        2 => Just(1.0),
        4 => prop::sample::select(vec![2.0, 3.0, 4.0, 1.5, 0.1, 0.125, 20.0]),
        1 => 1e-4..1e4_f64,
    ];
    prop::collection::vec((0..SYMBOLS.len(), 0_i64..20, ratio), 0..40)
}

/// Bars at ascending hours of the dates of the announcements, from midnight to midnight.
fn bars() -> impl Strategy<Value = Vec<Bar>> {
    prop::collection::vec((1_i64..30, 0.01..1e4_f64, 0.0..1e9_f64), 1..40).prop_map(|rows| {
        let mut open_time = day_open(FIRST).saturating_add_micros(-5 * HOUR_MICROS);
        let bar = |(hours, price, volume): (i64, f64, f64)| {
            open_time = open_time.saturating_add_micros(hours * HOUR_MICROS);
            Bar { open_time, open: price, high: price * 1.1, low: price * 0.9, close: price * 1.05, volume }
        };
        rows.into_iter().map(bar).collect()
    })
}

fn table(history: &[(usize, i64, f64)]) -> Splits {
    let mut splits = Splits::new(1_000);
    for (symbol, day, ratio) in history {
        splits.insert(SYMBOLS[*symbol], Split::on(date(*day), *ratio));
    }
    splits
}

/// The factor of a bar by the definition: every announcement is read again for each bar.
fn factor_of(bar: &Bar, as_of: Timestamp, symbol: usize, history: &[(usize, i64, f64)]) -> f64 {
    let mut last_written = BTreeMap::new();
    for (of, day, ratio) in history {
        if *of == symbol {
            last_written.insert(date(*day), *ratio);
        }
    }
    let mut factor = 1.0;
    for (ex_date, ratio) in last_written {
        if date_of(bar.open_time) < ex_date && ex_date <= date_of(as_of) {
            factor *= ratio;
        }
    }
    factor
}

proptest! {
    #[test]
    fn adjusted_bars_are_those_of_the_definition(
        history in history(), bars in bars(), symbol in 0..SYMBOLS.len(), newest in any::<prop::sample::Index>(),
    ) {
        let as_of = newest.get(&bars).open_time;
        let window: Vec<Bar> = bars.iter().filter(|bar| bar.open_time <= as_of).copied().collect();
        let splits = table(&history);
        let found = adjusted(&window, splits.of(SYMBOLS[symbol]), as_of);
        for (raw, found) in window.iter().zip(found.iter()) {
            let factor = factor_of(raw, as_of, symbol, &history);
            let expected = Bar {
                open_time: raw.open_time,
                open: raw.open / factor,
                high: raw.high / factor,
                low: raw.low / factor,
                close: raw.close / factor,
                volume: raw.volume * factor,
            };
            prop_assert_eq!(*found, expected);
        }
        // The factor of a bar does not depend on the bars before it.
        let later = &window[window.len() / 2..];
        let later = adjusted(later, splits.of(SYMBOLS[symbol]), as_of);
        prop_assert_eq!(&found[window.len() / 2..], &later[..]);
    }

    #[test]
    fn late_announcements_change_no_earlier_vector(history in history(), late in history(), bars in bars()) {
        let as_of = bars[bars.len() / 2].open_time;
        let window = &bars[..=bars.len() / 2];
        let later: Vec<_> = late.into_iter().filter(|(_, day, _)| date(*day) > date_of(as_of)).collect();
        let both = table(&[history.clone(), later].concat());
        for symbol in SYMBOLS {
            prop_assert_eq!(
                adjusted(window, table(&history).of(symbol), as_of),
                adjusted(window, both.of(symbol), as_of)
            );
        }
    }

    /// Factors that are powers of 2 change no bit of a quotient.
    #[test]
    fn split_series_has_the_values_of_one_without_splits(
        bars in bars(), of in prop::collection::vec((0_i64..40, -3_i32..4), 0..6),
    ) {
        let mut splits = Splits::new(10);
        for (day, exponent) in of {
            splits.insert(SYMBOLS[0], Split::on(date(day), libm::exp2(f64::from(exponent))));
        }
        let splits = splits.of(SYMBOLS[0]);
        let as_of = bars[bars.len() - 1].open_time;
        let received = |bar: &Bar| {
            let later = splits.iter().filter(|split| bar.open_time < split.from && split.from <= as_of);
            let factor: f64 = later.map(|split| split.ratio).product();
            let Bar { open_time, open, high, low, close, volume } = *bar;
            let (open, high, low, close) = (open * factor, high * factor, low * factor, close * factor);
            Bar { open_time, open, high, low, close, volume: volume / factor }
        };
        let mut window: Vec<Bar> = bars.iter().map(received).collect();
        adjust(&mut window, splits, as_of);
        prop_assert_eq!(&window, &bars);
        let of = |bars: &[Bar]| -> Vec<SetResult> {
            FeatureSet::ALL.into_iter().map(|set| compute(set, &Window::new(Timeframe::Hour1, bars))).collect()
        };
        prop_assert_eq!(of(&window), of(&bars));
    }

    #[test]
    fn scaled_prices_have_the_same_mismatches(history in history(), bars in bars(), exponent in -5_i32..6) {
        let splits = table(&history);
        let scale = libm::exp2(f64::from(exponent));
        let scaled: Vec<Bar> =
            bars.iter().map(|bar| Bar { open: bar.open * scale, close: bar.close * scale, ..*bar }).collect();
        for symbol in SYMBOLS {
            prop_assert_eq!(Mismatches::of(&bars, splits.of(symbol)), Mismatches::of(&scaled, splits.of(symbol)));
        }
    }
}
