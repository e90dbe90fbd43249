//! Comparison of adjusted bars with the adjusted closes of public data. `golden/make_splits.py` has written the values.

#![expect(clippy::unwrap_used, reason = "a golden file that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use domain::calendar::{Date, date_of, day_open};
use domain::{Bar, Symbol};
use feature::rules::{Mismatch, MismatchCause, Mismatches, Split, Splits, adjusted};

/// The splits within the data. They are no part of the golden file.
const SPLITS: [(Symbol, Date, f64); 3] = [
    (Symbol::constant("AAPL"), Date::constant(2000, 6, 21), 2.0),
    (Symbol::constant("AAPL"), Date::constant(2005, 2, 28), 2.0),
    (Symbol::constant("MSFT"), Date::constant(2003, 2, 18), 2.0),
];

fn bar(date: &str, open: f64, close: f64) -> Bar {
    let open_time = day_open(date.parse().unwrap());
    Bar { open_time, open, high: open.max(close), low: open.min(close), close, volume: 1.0 }
}

/// The bars and the adjusted closes of each symbol of the golden file.
fn golden() -> BTreeMap<Symbol, (Vec<Bar>, Vec<f64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/splits.csv");
    let mut symbols = BTreeMap::<_, (Vec<Bar>, Vec<f64>)>::new();
    for row in csv::Reader::from_path(path).unwrap().deserialize() {
        let (symbol, date, open, close, adjusted): (String, String, f64, f64, f64) = row.unwrap();
        let (bars, closes) = symbols.entry(Symbol::parse(&symbol).unwrap()).or_default();
        bars.push(bar(&date, open, close));
        closes.push(adjusted);
    }
    symbols
}

fn splits() -> Splits {
    let mut splits = Splits::new(SPLITS.len());
    SPLITS.iter().for_each(|&(symbol, date, ratio)| splits.insert(symbol, Split::on(date, ratio)));
    splits
}

#[test]
fn adjusted_closes_are_those_of_public_data() {
    let mut compared = 0;
    for (symbol, (bars, expected)) in golden() {
        let as_of = bars[bars.len() - 1].open_time;
        let found = adjusted(&bars, splits().of(symbol), as_of);
        for (bar, expected) in found.iter().zip(expected) {
            let difference = (bar.close / expected - 1.0).abs();
            assert!(difference < 1e-12, "{symbol} {}: {} {expected}", date_of(bar.open_time), bar.close);
            compared += 1;
        }
    }
    assert_eq!(compared, 3_875);
}

/// The dates of all mismatches of bars.
fn mismatches(bars: &[Bar], splits: &[Split]) -> Vec<(String, bool)> {
    let newest = |bars: &[Bar]| Mismatches::of(bars, splits).newest;
    let steps = (2..=bars.len()).filter_map(|end| newest(&bars[end - 2..end]));
    let named = |Mismatch { at, cause }| {
        (date_of(at).to_string(), matches!(cause, MismatchCause::Unannounced { .. }))
    };
    steps.map(named).collect()
}

#[test]
fn mismatches_of_public_data_are_its_unknown_splits() {
    let (mut steps, mut found) = (0, Vec::new());
    let mut check = |symbol: Symbol, bars: &[Bar]| {
        steps += bars.len() - 1;
        found.extend(mismatches(bars, &[]).into_iter().map(|(date, _)| format!("{symbol} {date}")));
        assert_eq!(mismatches(bars, splits().of(symbol)), []);
    };
    golden().iter().for_each(|(symbol, (bars, _))| check(*symbol, bars));
    for name in ["GOOG", "FB"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/data/bars/{name}.csv"));
        let rows = csv::Reader::from_path(path).unwrap().into_deserialize();
        let bars: Vec<Bar> = rows
            .map(|row| {
                let (date, open, _, _, close, _): (String, f64, f64, f64, f64, f64) = row.unwrap();
                bar(&date, open, close)
            })
            .collect();
        check(Symbol::parse(name).unwrap(), &bars);
    }
    assert_eq!(
        (steps, found),
        (6_215, ["AAPL 2000-06-21", "AAPL 2005-02-28", "MSFT 2003-02-18"].map(str::to_owned).to_vec())
    );
}

#[test]
fn splits_of_adjusted_data_are_not_confirmed() {
    for (symbol, (bars, closes)) in golden() {
        let close_of =
            |(bar, close): (&Bar, &f64)| Bar { open: bar.open * close / bar.close, close: *close, ..*bar };
        let bars: Vec<Bar> = bars.iter().zip(&closes).map(close_of).collect();
        let dates: Vec<_> = SPLITS
            .iter()
            .filter(|(of, ..)| *of == symbol)
            .map(|(_, date, _)| (date.to_string(), false))
            .collect();
        assert_eq!(mismatches(&bars, splits().of(symbol)), dates);
    }
}
