//! Comparison of the sets of time, season and calendar with pandas and exchange_calendars: `golden/sets_time.py` has written
//! `golden/times.json`. `golden.rs` compares day bars; here are all dates of 33 years, and bars below a day.

#![expect(clippy::unwrap_used, reason = "a golden file that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use domain::calendar::{Date, day_open};
use domain::{Bar, FeatureSet, FeatureSets, Timeframe, Timestamp};
use feature::rules::{EarlierDays, SetResult, Window, compute};
use serde_json::Value;

fn times() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/times.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bar(open_time: Timestamp, close: f64) -> Bar {
    Bar { open_time, open: close, high: close, low: close, close, volume: 1.0 }
}

/// The day bars of a real market, with their closes only.
fn day_bars(market: &str) -> Vec<Bar> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/data/bars/{market}.csv"));
    let rows = csv::Reader::from_path(path).unwrap().into_deserialize::<(String, f64, f64, f64, f64, f64)>();
    rows.map(|row| {
        let (date, _, _, _, close, _) = row.unwrap();
        bar(day_open(date.parse().unwrap()), close)
    })
    .collect()
}

fn values(result: SetResult) -> BTreeMap<String, f64> {
    result.values.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
}

#[test]
fn calendar_of_every_date_agrees_with_exchange_calendars() {
    let file = times();
    let names: Vec<&str> =
        file["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut date: Date = file["first_date"].as_str().unwrap().parse().unwrap();
    let mut dates = 0;
    for expected in file["dates"].as_array().unwrap() {
        let bars = [bar(day_open(date), 1.0)];
        let mut computed =
            values(compute(FeatureSet::CalendarFeatures, &Window::new(Timeframe::Day1, &bars)));
        for (name, wanted) in names.iter().zip(expected.as_array().unwrap()) {
            assert_eq!(computed.remove(*name), wanted.as_f64(), "{name} of {date}");
        }
        assert!(computed.is_empty(), "{date}: {computed:?}");
        date = date.tomorrow().unwrap();
        dates += 1;
    }
    assert_eq!((dates, date), (12_053, Date::constant(2031, 1, 1)));
}

#[test]
fn times_below_a_day_agree_with_exchange_calendars() {
    let file = times();
    let history = usize::try_from(file["history"].as_u64().unwrap()).unwrap();
    let days = day_bars(file["day_bars"].as_str().unwrap());
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 900, "only {} cases", cases.len());
    for case in cases {
        let timeframe = Timeframe::from_name(case["timeframe"].as_str().unwrap()).unwrap();
        let open_time = Timestamp::parse(case["open_time"].as_str().unwrap()).unwrap();
        let earlier = EarlierDays::before(open_time, &days, &[], history, FeatureSets::all());
        let bars = [bar(open_time, 1.0)];
        let window = Window::new(timeframe, &bars).with_earlier_days(earlier);
        for set in [FeatureSet::TimeFeatures, FeatureSet::SeasonalityFeatures] {
            let mut computed = values(compute(set, &window));
            for (name, wanted) in case["sets"][set.as_str()].as_object().unwrap() {
                let (value, wanted) = (computed.remove(name), wanted.as_f64().unwrap());
                let is_close = |value: f64| (value - wanted).abs() <= 1e-12_f64.max(1e-9 * wanted.abs());
                assert!(value.is_some_and(is_close), "{name} of {open_time}: {value:?}, golden {wanted}");
            }
            assert!(computed.is_empty(), "{open_time}: golden omits {computed:?}");
        }
    }
}

#[test]
fn missing_session_or_day_bar_is_the_reason() {
    let saturday = [bar(Timestamp::parse("2024-07-06T14:00:00Z").unwrap(), 1.0)];
    let reason = |set, earlier| {
        compute(set, &Window::new(Timeframe::Hour1, &saturday).with_earlier_days(earlier)).reason.unwrap()
    };
    let no_session = "minutes_since_open: no session on that date; minutes_to_close: no session on that date";
    assert_eq!(reason(FeatureSet::TimeFeatures, EarlierDays::NONE), no_session);
    let no_days = "no day bar of an earlier date held";
    assert_eq!(reason(FeatureSet::SeasonalityFeatures, EarlierDays::NONE), no_days);
    let days = day_bars("AAPL");
    let of_weekdays = EarlierDays::before(saturday[0].open_time, &days, &[], 300, FeatureSets::all());
    let no_saturday = "mean_return_same_weekday: no day bar on that weekday with one before it";
    assert_eq!(reason(FeatureSet::SeasonalityFeatures, of_weekdays), no_saturday);
}
