//! Files of 305 bars whose dates or prices are unusual: the dates that are read, and the values of the newest vector.

use backfill::sources::read_bars;
use domain::{Bar, FeatureSet, FeatureSets, Timeframe, calendar};
use feature::rules::{SetResult, Window, compute};
use jiff::ToSpan;
use jiff::civil::{Date, date};

use super::HEADER;

const BARS: usize = 305;

/// Bars of a vector.
const HISTORY: usize = 300;

/// The row that a split of 20 for 1 precedes.
const SPLIT: usize = 150;

fn days(first: Date) -> impl Iterator<Item = Date> {
    first.series(1.day())
}

fn weekdays(first: Date) -> Vec<Date> {
    days(first).filter(|date| date.weekday().to_monday_zero_offset() < 5).take(BARS).collect()
}

fn base(index: usize) -> f64 {
    20.0 + f64::from(u8::try_from(index * 37 % 11).unwrap())
}

/// Returns the rows of these dates, which have this suffix, with the prices divided.
fn rows(dates: &[Date], suffix: &str, divisor: impl Fn(usize) -> f64) -> String {
    let row = |(index, date): (usize, &Date)| {
        let price = |more: f64| (base(index) + more) / divisor(index);
        let volume = 1_000_000 + index % 7 * 270_000;
        let [open, high, low, close] = [0.0, 1.0, -1.0, 0.5].map(price);
        format!("{date}{suffix},{open},{high},{low},{close},{volume}\n")
    };
    dates.iter().enumerate().map(row).collect()
}

fn read(rows: &str) -> Vec<Bar> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("AAPL.csv");
    std::fs::write(&path, format!("{HEADER}{rows}")).unwrap();
    read_bars(&path).unwrap()
}

/// Sets whose values depend on dates.
const OF_DATES: [FeatureSet; 3] =
    [FeatureSet::CalendarFeatures, FeatureSet::SeasonalityFeatures, FeatureSet::TimeFeatures];

/// Returns the other feature sets of the newest bars.
fn vector(bars: &[Bar]) -> Vec<SetResult> {
    let window = Window::new(Timeframe::Day1, &bars[bars.len() - HISTORY..]);
    let sets = FeatureSets::all().iter().filter(|set| !OF_DATES.contains(set));
    sets.map(|set| compute(set, &window)).collect()
}

#[test]
fn unusual_dates_are_read_and_change_no_value() {
    let good = weekdays(date(2003, 1, 2));
    let expected = vector(&read(&rows(&good, "", |_| 1.0)));
    let values: usize = expected.iter().map(|set| set.values.len()).sum();
    assert!(values > 100, "{values} values");
    let year_0 = "0000-01-03,20,21,19,20.5,1000000\n";
    for (name, dates, suffix, before) in [
        ("from 1962", weekdays(date(1962, 1, 2)), "", ""),
        ("from 1850", weekdays(date(1850, 1, 2)), "", ""),
        ("year 0 first", good.clone(), "", year_0),
        ("every day", days(date(2003, 1, 1)).take(BARS).collect(), "", ""),
        ("dates with an offset", good.clone(), " 00:00:00-05:00", ""),
        ("evening in UTC", good.clone(), " 21:00:00+00:00", ""),
    ] {
        let bars = read(&format!("{before}{}", rows(&dates, suffix, |_| 1.0)));
        let found: Vec<Date> = bars.iter().map(|bar| calendar::date_of(bar.open_time)).collect();
        assert_eq!(found[found.len() - BARS..], dates, "{name}");
        assert_eq!(found.len() > BARS, !before.is_empty(), "{name}");
        assert_eq!(vector(&bars), expected, "{name}");
    }
}

#[test]
fn unadjusted_split_is_a_return_like_any_other() {
    let dates = weekdays(date(2003, 1, 2));
    let bars = read(&rows(&dates, "", |index| if index < SPLIT { 1.0 } else { 20.0 }));
    let returned = |bars: &[Bar]| {
        let set = compute(FeatureSet::ReturnsFeatures, &Window::new(Timeframe::Day1, bars));
        let value = set.values.iter().find(|(name, _)| name == "return_1");
        value.map(|(_, value)| *value).unwrap()
    };
    let close = |index: usize| base(index) + 0.5;
    let of_split = close(SPLIT) / 20.0 / close(SPLIT - 1) - 1.0;
    let found = returned(&bars[..=SPLIT]);
    assert!(of_split < -0.9 && (found - of_split).abs() < 1e-12, "{found} instead of {of_split}");
    let unsplit = read(&rows(&dates, "", |_| 1.0));
    let difference = returned(&bars) - returned(&unsplit);
    assert!(difference.abs() < 1e-12, "the split affects the windows that include it alone: {difference}");
}
