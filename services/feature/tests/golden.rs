//! Comparison of the rules with TA-Lib, pandas, numpy, scipy and exchange_calendars. `golden/make.py` has written the values, `golden/sets.py` has computed them.
//!
//! A golden value must agree to 1e-9 (relative) or 1e-12 (absolute), and a value that is omitted there must be omitted by the rule.
//!
//! The values are also compared bit by bit with `golden/bits.tsv`, since every machine must compute the same ones. After an intended
//! change of a rule: `cargo test --workspace --test golden -- --ignored`.

#![expect(clippy::print_stdout, reason = "a test prints its progress")]
#![expect(clippy::unwrap_used, reason = "a golden file that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::calendar::{Date, bar_close, day_open, session_close};
use domain::{Bar, FeatureSet, FeatureSets, Symbol, Timeframe, Timestamp};
use feature::rules::{Benchmarks, COMPARED, EarlierDays, Window, compute, is_built, select};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    /// The bits of the values of each set, in the order of the cases.
    bits: BTreeMap<&'static str, Sha256>,
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
        self.compare_window(&format!("{market} {date}"), &window, case);
    }

    /// Compares the values of a window with those of a case of `bars` held bars.
    fn compare_window(&mut self, market: &str, window: &Window<'_>, case: &Value) {
        let held = &case["bars"];
        for set in FeatureSet::ALL.into_iter().filter(|set| is_built(*set)) {
            let expected = case["sets"][set.as_str()]
                .as_object()
                .unwrap_or_else(|| panic!("no golden of {}", set.as_str()));
            let mut expected: BTreeMap<&str, f64> =
                expected.iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap())).collect();
            let bits = self.bits.entry(set.as_str()).or_default();
            let values = compute(set, window).values;
            for (name, value) in &values {
                bits.update(name.as_bytes());
                bits.update(value.to_bits().to_le_bytes());
            }
            for (name, value) in values {
                let value_of = format!("{market} ({held} bars) {}.{name}", set.as_str());
                match expected.remove(name.as_ref()) {
                    Some(wanted) => self.compare(set.as_str(), value_of, value, wanted),
                    None => self.differences.push(format!("{value_of} is {value}, golden omits it")),
                }
            }
            for (name, wanted) in expected {
                self.differences.push(format!(
                    "{market} ({held} bars) {}.{name} is omitted, golden {wanted}",
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

    /// The lines of `bits.tsv` of these cases.
    fn bits(&self, cases: &str) -> Vec<String> {
        let hex = |hash: &Sha256| {
            hash.clone().finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        self.bits.iter().map(|(set, hash)| format!("{cases}\t{set}\t{}", hex(hash))).collect()
    }

    /// Fails if a value differs, or if there were fewer values.
    fn end(&self, values_min: usize) {
        for (set, (deviation, value_of)) in &self.worst {
            println!("{set:24} worst {deviation:.1e} tolerances, {value_of}");
        }
        println!("{} values compared", self.compared);
        let first = &self.differences[..self.differences.len().min(60)];
        assert!(first.is_empty(), "{} differences:\n{}", self.differences.len(), first.join("\n"));
        assert!(self.compared >= values_min, "only {} values", self.compared);
    }
}

/// The bars of both markets of a timeframe, which are in one file.
fn bars_below_a_day(timeframe: Timeframe) -> [Vec<Bar>; 2] {
    let mut markets = [Vec::new(), Vec::new()];
    let path = golden().join(format!("intraday/{timeframe}.csv"));
    let rows = csv::Reader::from_path(path).unwrap().into_deserialize();
    for row in rows {
        let (market, time, open, high, low, close, volume): (usize, String, f64, f64, f64, f64, f64) =
            row.unwrap();
        let open_time = Timestamp::parse(&time).unwrap();
        markets[market].push(Bar { open_time, open, high, low, close, volume });
    }
    markets
}

fn compared_days(folder: &Path) -> Comparison {
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
    comparison
}

fn compared_below_a_day() -> Comparison {
    let days = read_bars(&golden().join("intraday/days.csv"));
    let mut comparison = Comparison::default();
    for timeframe in [Timeframe::Minute1, Timeframe::Minute5, Timeframe::Hour1] {
        let [bars, others] = bars_below_a_day(timeframe);
        // Each benchmark has the bars of the second market.
        let symbols = ["SPY", "QQQ", "IWM", "TLT", "GLD", "UUP"].map(|symbol| Symbol::parse(symbol).unwrap());
        let series = symbols.map(|symbol| (symbol, others.clone())).into();
        let benchmarks = Benchmarks::new(HISTORY, COMPARED.to_vec(), series);
        let text = std::fs::read_to_string(golden().join(format!("{timeframe}.json"))).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let as_of = Timestamp::parse(case["as_of"].as_str().unwrap()).unwrap();
            let window = select(&bars, timeframe, bar_close(timeframe, as_of), HISTORY);
            let earlier = EarlierDays::before(as_of, &days, &[], HISTORY, FeatureSets::all());
            let window =
                Window::new(timeframe, window).with_benchmarks(&benchmarks).with_earlier_days(earlier);
            assert_eq!(window.as_of(), Some(as_of));
            comparison.compare_window(&format!("{timeframe} {as_of}"), &window, case);
        }
    }
    comparison
}

/// The lines of `bits.tsv`.
fn computed_bits() -> Vec<String> {
    let mut lines = compared_days(&real_bars()).bits("real");
    lines.extend(compared_days(&golden().join("bars")).bits("edges"));
    lines.extend(compared_below_a_day().bits("below_a_day"));
    lines
}

#[test]
fn values_of_real_bars_agree_with_talib_pandas_and_numpy() {
    compared_days(&real_bars()).end(26_000);
}

#[test]
fn values_at_the_edges_agree_with_talib_pandas_and_numpy() {
    compared_days(&golden().join("bars")).end(58_000);
}

#[test]
fn values_below_a_day_agree_with_talib_pandas_and_numpy() {
    compared_below_a_day().end(14_000);
}

#[test]
fn values_have_the_committed_bits() {
    let committed = std::fs::read_to_string(golden().join("bits.tsv")).unwrap();
    assert_eq!(computed_bits(), committed.lines().collect::<Vec<_>>());
}

#[test]
fn processor_without_fma_computes_the_same_bits() {
    let test = std::env::current_exe().unwrap();
    let run = std::process::Command::new(test)
        .args(["--exact", "values_have_the_committed_bits"])
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-FMA,-AVX2")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "writes golden/bits.tsv"]
fn write_bits() {
    std::fs::write(golden().join("bits.tsv"), computed_bits().join("\n") + "\n").unwrap();
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
