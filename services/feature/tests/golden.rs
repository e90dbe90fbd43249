//! Comparison of the rules with TA-Lib, pandas, numpy and scipy. `golden/make.py` has written the values, `golden/sets.py` has computed them.
//!
//! A golden value must agree to 1e-9 (relative) or 1e-12 (absolute), and a value that is omitted there must be omitted by the rule.

#![expect(clippy::print_stdout, reason = "a test prints its progress")]
#![expect(clippy::unwrap_used, reason = "a golden file that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::calendar::{Date, day_open, session_close};
use domain::{Bar, FeatureSet, Symbol, Timeframe};
use feature::rules::{Benchmarks, COMPARED, Window, compute, is_built, select};
use serde_json::Value;

const HISTORY: usize = 300;
const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-12;

/// The folder of the golden files and of the synthetic bars.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The folder of the bars of real symbols.
fn real_bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bars")
}

/// The markets whose bars are in the folder, by name, each with its golden file.
fn markets(folder: &Path) -> Vec<(String, Vec<Bar>, Value)> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".csv").map(str::to_owned))
        .collect();
    names.sort();
    let load = |name: String| {
        let text = std::fs::read_to_string(golden().join(format!("{name}.json"))).unwrap();
        let bars = read_bars(&folder.join(format!("{name}.csv")));
        (name, bars, serde_json::from_str(&text).unwrap())
    };
    names.into_iter().map(load).collect()
}

fn read_bars(path: &Path) -> Vec<Bar> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["date", "open", "high", "low", "close", "volume"]);
    let rows = reader.deserialize::<(String, f64, f64, f64, f64, f64)>();
    rows.map(|row| {
        let (date, open, high, low, close, volume) = row.unwrap();
        Bar { open_time: day_open(date.parse().unwrap()), open, high, low, close, volume }
    })
    .collect()
}

/// The differences, and the largest deviation of each set in units of the tolerance.
#[derive(Default)]
struct Comparison {
    compared: usize,
    worst: BTreeMap<String, (f64, String)>,
    differences: Vec<String>,
}

impl Comparison {
    fn compare_case(&mut self, (market, bars): (&str, &[Bar]), benchmarks: &Benchmarks, case: &Value) {
        let date: Date = case["as_of"].as_str().unwrap().parse().unwrap();
        // The bars include later days: the rule selects those that count.
        let window = select(bars, Timeframe::Day1, session_close(date), HISTORY);
        let held = case["bars"].as_u64().unwrap();
        assert_eq!(window.len() as u64, held.min(HISTORY as u64), "{market} {date}");
        let window = Window::new(Timeframe::Day1, window).with_benchmarks(benchmarks);
        assert_eq!(window.as_of(), Some(day_open(date)));
        for set in FeatureSet::ALL.into_iter().filter(|set| is_built(*set)) {
            let expected = case["sets"][set.as_str()]
                .as_object()
                .unwrap_or_else(|| panic!("no golden of {}", set.as_str()));
            let mut expected: BTreeMap<&str, f64> =
                expected.iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap())).collect();
            for (name, value) in compute(set, &window).values {
                let value_of = format!("{market} {date} ({held} bars) {}.{name}", set.as_str());
                match expected.remove(name.as_ref()) {
                    Some(wanted) => self.compare(set.as_str(), value_of, value, wanted),
                    None => self.differences.push(format!("{value_of} is {value}, golden omits it")),
                }
            }
            for (name, wanted) in expected {
                self.differences.push(format!(
                    "{market} {date} ({held} bars) {}.{name} is omitted, golden {wanted}",
                    set.as_str()
                ));
            }
        }
    }

    fn compare(&mut self, set: &str, value_of: String, value: f64, wanted: f64) {
        self.compared += 1;
        let deviation = (value - wanted).abs() / ABSOLUTE.max(RELATIVE * wanted.abs());
        if deviation > 1.0 || !value.is_finite() {
            self.differences
                .push(format!("{value_of} is {value}, golden {wanted}: {deviation:.1} tolerances"));
        }
        let worst = self.worst.entry(set.to_owned()).or_default();
        if deviation > worst.0 {
            *worst = (deviation, value_of);
        }
    }
}

fn check(folder: &Path, values_min: usize) {
    let mut comparison = Comparison::default();
    let markets = markets(folder);
    for (market, bars, file) in &markets {
        assert_eq!(file["history"], HISTORY);
        // The market whose bars are used as those of a benchmark.
        let series = file["benchmarks"].as_object().unwrap().iter().map(|(symbol, other)| {
            let (_, bars, _) = markets.iter().find(|(name, ..)| other == name).unwrap();
            (Symbol::parse(symbol).unwrap(), bars.clone())
        });
        let benchmarks = Benchmarks::new(HISTORY, COMPARED.to_vec(), series.collect());
        for case in file["cases"].as_array().unwrap() {
            comparison.compare_case((market, bars), &benchmarks, case);
        }
    }
    for (set, (deviation, value_of)) in &comparison.worst {
        println!("{set:24} worst {deviation:.1e} tolerances, {value_of}");
    }
    println!("{} values compared", comparison.compared);
    let differences = &comparison.differences;
    let first = &differences[..differences.len().min(60)];
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), first.join("\n"));
    assert!(comparison.compared >= values_min, "only {} values", comparison.compared);
}

#[test]
fn values_of_real_bars_agree_with_talib_pandas_and_numpy() {
    check(&real_bars(), 26_000);
}

#[test]
fn values_at_the_edges_agree_with_talib_pandas_and_numpy() {
    check(&golden().join("bars"), 58_000);
}

/// The signals of a market other than 0, by the number of bars held and the name.
fn signals(of_market: &Value) -> BTreeMap<(usize, String), f64> {
    let mut signals = BTreeMap::new();
    for (name, by_signal) in of_market.as_object().unwrap() {
        for (signal, days) in by_signal.as_object().unwrap() {
            for held in days.as_array().unwrap() {
                let held = usize::try_from(held.as_u64().unwrap()).unwrap();
                signals.insert((held, name.clone()), signal.parse().unwrap());
            }
        }
    }
    signals
}

#[test]
fn patterns_of_every_real_day_agree_with_talib() {
    let file: Value =
        serde_json::from_str(&std::fs::read_to_string(golden().join("patterns.json")).unwrap()).unwrap();
    let mut found = BTreeMap::<(String, String), usize>::new();
    for (market, of_market) in file["markets"].as_object().unwrap() {
        let bars = read_bars(&real_bars().join(format!("{market}.csv")));
        let mut expected = signals(of_market);
        for held in 1..=bars.len() {
            let window = Window::new(Timeframe::Day1, &bars[held.saturating_sub(HISTORY)..held]);
            for (name, value) in compute(FeatureSet::PricePatterns, &window).values {
                let name = name.into_owned();
                let wanted = expected.remove(&(held, name.clone())).unwrap_or(0.0);
                assert_eq!(value, wanted, "{market} {name} on day {held}");
                *found.entry((name, value.to_string())).or_default() += 1;
            }
        }
        assert!(expected.is_empty(), "{market}: not computed {expected:?}");
    }
    // Eight patterns that are found or not, three of them in both directions, and two of these also with equal ends.
    assert_eq!(found.len(), 8 * 2 + 3 + 2 * 2, "{found:?}");
}

#[test]
fn sets_with_golden_values_are_the_built_sets() {
    let file: Value =
        serde_json::from_str(&std::fs::read_to_string(golden().join("AAPL.json")).unwrap()).unwrap();
    let mut golden: Vec<&str> =
        file["cases"][0]["sets"].as_object().unwrap().keys().map(String::as_str).collect();
    golden.sort_unstable();
    let built: Vec<&str> =
        FeatureSet::ALL.into_iter().filter(|set| is_built(*set)).map(FeatureSet::as_str).collect();
    assert_eq!(golden, built);
    assert_eq!(built.len(), 30);
}
