//! The rules against TA-Lib, pandas and numpy: `golden/make.py` wrote the values, `golden/sets.py` is how they were computed.
//!
//! Both ways: what is there must agree to 1e-9 (relative) or 1e-12 (absolute), and what isn't there must not be computed.

#![expect(clippy::unwrap_used, reason = "a golden file that can't be read is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::calendar::{Date, day_open, session_close};
use domain::{Bar, FeatureSet, Symbol, Timeframe};
use feature::rules::{Benchmarks, COMPARED, Window, compute, is_built, select};
use serde_json::Value;

const HISTORY: usize = 300;
const RELATIVE: f64 = 1e-9;
const ABSOLUTE: f64 = 1e-12;

/// Where the goldens and the bars of real symbols are.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn real_bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bars")
}

/// All golden files whose bars lie in the folder, by name.
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

/// What differs, and the largest deviation of each set in units of the tolerance.
#[derive(Default)]
struct Findings {
    compared: usize,
    worst: BTreeMap<String, (f64, String)>,
    faults: Vec<String>,
}

impl Findings {
    fn compare_case(&mut self, (market, bars): (&str, &[Bar]), benchmarks: &Benchmarks, case: &Value) {
        let date: Date = case["as_of"].as_str().unwrap().parse().unwrap();
        // The bars of later days are there as well: which ones count is the rule's decision.
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
                let place = format!("{market} {date} ({held} bars) {}.{name}", set.as_str());
                match expected.remove(name.as_ref()) {
                    Some(wanted) => self.compare(set.as_str(), place, value, wanted),
                    None => self.faults.push(format!("{place} is {value}, golden leaves it out")),
                }
            }
            for (name, wanted) in expected {
                self.faults.push(format!(
                    "{market} {date} ({held} bars) {}.{name} is left out, golden {wanted}",
                    set.as_str()
                ));
            }
        }
    }

    fn compare(&mut self, set: &str, place: String, value: f64, wanted: f64) {
        self.compared += 1;
        let deviation = (value - wanted).abs() / ABSOLUTE.max(RELATIVE * wanted.abs());
        if deviation > 1.0 || !value.is_finite() {
            self.faults.push(format!("{place} is {value}, golden {wanted}: {deviation:.1} tolerances"));
        }
        let worst = self.worst.entry(set.to_owned()).or_default();
        if deviation > worst.0 {
            *worst = (deviation, place);
        }
    }
}

fn check(folder: &Path, at_least: usize) {
    let mut findings = Findings::default();
    let markets = markets(folder);
    for (market, bars, file) in &markets {
        assert_eq!(file["history"], HISTORY);
        // Whose bars stand for a benchmark's.
        let series = file["benchmarks"].as_object().unwrap().iter().map(|(symbol, other)| {
            let (_, bars, _) = markets.iter().find(|(name, ..)| other == name).unwrap();
            (Symbol::parse(symbol).unwrap(), bars.clone())
        });
        let benchmarks = Benchmarks::new(HISTORY, COMPARED.to_vec(), series.collect());
        for case in file["cases"].as_array().unwrap() {
            findings.compare_case((market, bars), &benchmarks, case);
        }
    }
    for (set, (deviation, place)) in &findings.worst {
        println!("{set:24} worst {deviation:.1e} tolerances, {place}");
    }
    println!("{} values compared", findings.compared);
    let faults = &findings.faults;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(60)].join("\n"));
    assert!(findings.compared >= at_least, "only {} values", findings.compared);
}

#[test]
fn values_of_real_bars_agree_with_talib_pandas_and_numpy() {
    check(&real_bars(), 19_000);
}

#[test]
fn values_at_the_edges_agree_with_talib_pandas_and_numpy() {
    check(&golden().join("bars"), 43_000);
}

#[test]
fn the_sets_with_a_golden_are_those_with_a_rule() {
    let file: Value =
        serde_json::from_str(&std::fs::read_to_string(golden().join("AAPL.json")).unwrap()).unwrap();
    let mut golden: Vec<&str> =
        file["cases"][0]["sets"].as_object().unwrap().keys().map(String::as_str).collect();
    golden.sort_unstable();
    let built: Vec<&str> =
        FeatureSet::ALL.into_iter().filter(|set| is_built(*set)).map(FeatureSet::as_str).collect();
    assert_eq!(golden, built);
    assert_eq!(built.len(), 17);
}
