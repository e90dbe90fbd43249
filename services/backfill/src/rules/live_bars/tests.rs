//! Held live bars: which slots count, for how long, and up to which number.

use std::time::Duration;

use domain::{Interval, Symbol, Timeframe, Timestamp};

use super::{LiveBars, LiveLimits};

const MINUTE: Timeframe = Timeframe::Minute1;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn live(sessions_max: usize) -> LiveBars {
    LiveBars::new(LiveLimits { back: Duration::from_secs(48 * 3_600), sessions_max })
}

fn times(live: &LiveBars, name: &str, timeframe: Timeframe) -> Vec<Interval> {
    live.of(0, symbol(name), timeframe).iter().collect()
}

fn range(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).unwrap()
}

#[test]
fn bars_in_slots_are_held_as_runs() {
    let mut live = live(10);
    let add = |live: &mut LiveBars, text: &str| live.add(0, symbol("AAPL"), MINUTE, at(text));
    // The first and the last minute of Friday, 2024-03-15, two in the middle, and one before the session.
    let bars =
        ["2024-03-15T13:30:00Z", "2024-03-15T16:00:00Z", "2024-03-15T16:01:00Z", "2024-03-15T19:59:00Z"];
    bars.iter().for_each(|bar| add(&mut live, bar));
    for outside in ["2024-03-15T13:29:00Z", "2024-03-15T16:00:30Z", "2024-03-16T16:00:00Z"] {
        add(&mut live, outside);
    }
    let middle = range("2024-03-15T16:00:00Z", "2024-03-15T16:02:00Z");
    let first = range("2024-03-15T13:30:00Z", "2024-03-15T13:31:00Z");
    let last = range("2024-03-15T19:59:00Z", "2024-03-15T20:00:00Z");
    assert_eq!(times(&live, "AAPL", MINUTE), [first, middle, last]);
    assert_eq!(
        (live.sessions(), times(&live, "MSFT", MINUTE), times(&live, "AAPL", Timeframe::Hour1)),
        (1, vec![], vec![])
    );
    live.remove(0, symbol("AAPL"), MINUTE, at("2024-03-15T16:00:00Z"));
    assert_eq!(times(&live, "AAPL", MINUTE)[1], range("2024-03-15T16:01:00Z", "2024-03-15T16:02:00Z"));
}

#[test]
fn day_bar_holds_its_date() {
    let mut live = live(10);
    live.add(0, symbol("AAPL"), Timeframe::Day1, at("2024-03-08T05:00:00Z"));
    let date = range("2024-03-08T05:00:00Z", "2024-03-09T05:00:00Z");
    assert_eq!(times(&live, "AAPL", Timeframe::Day1), [date]);
}

#[test]
fn only_recent_bars_are_needed() {
    let live = live(10);
    let needs = |open: &str, appended: &str| live.needs(MINUTE, at(open), at(appended));
    // From 2024-03-13 in New York on.
    assert!(needs("2024-03-13T13:30:00Z", "2024-03-15T20:00:00Z"));
    assert!(!needs("2024-03-12T19:59:00Z", "2024-03-15T20:00:00Z"));
    assert!(!needs("2024-03-15T20:00:00Z", "2024-03-15T20:00:00Z"), "after the session");
    assert!(!needs("2024-03-19T13:30:00Z", "2024-03-15T20:00:00Z"), "days ahead");
}

#[test]
fn old_dates_expire() {
    let mut live = live(10);
    live.add(0, symbol("AAPL"), MINUTE, at("2024-03-13T13:30:00Z"));
    live.add(1, symbol("MSFT"), MINUTE, at("2024-03-14T13:30:00Z"));
    live.expire(at("2024-03-16T03:59:59Z"));
    assert_eq!(live.sessions(), 2);
    live.expire(at("2024-03-16T04:00:00Z"));
    assert_eq!((live.sessions(), live.dates(0).count(), live.dates(1).count()), (1, 0, 1));
    let needs = |open| live.needs(MINUTE, at(open), at("2024-03-13T14:00:00Z"));
    assert!(
        needs("2024-03-14T13:30:00Z") && !needs("2024-03-13T13:30:00Z"),
        "as on an older record of the topic"
    );
}

#[test]
fn full_partition_loses_sessions_of_the_oldest_date() {
    let mut live = live(2);
    let bars =
        [("AAPL", "2024-03-13T13:30:00Z"), ("MSFT", "2024-03-14T13:30:00Z"), ("IBM", "2024-03-13T13:30:00Z")];
    for (name, open) in bars {
        live.add(0, symbol(name), MINUTE, at(open));
    }
    assert_eq!((live.sessions(), live.sessions_max()), (2, 2));
    assert!(times(&live, "IBM", MINUTE).is_empty(), "not newer than what is held");
    live.add(0, symbol("IBM"), MINUTE, at("2024-03-14T13:30:00Z"));
    assert_eq!((live.sessions(), times(&live, "IBM", MINUTE).len()), (2, 1));
    assert!(times(&live, "AAPL", MINUTE).is_empty());
    // A held session is not limited.
    live.add(0, symbol("MSFT"), MINUTE, at("2024-03-14T13:31:00Z"));
    assert_eq!(times(&live, "MSFT", MINUTE), [range("2024-03-14T13:30:00Z", "2024-03-14T13:32:00Z")]);
}

#[test]
fn released_partition_is_empty_and_not_loaded() {
    let mut live = live(2);
    live.loaded(0);
    live.add(0, symbol("AAPL"), MINUTE, at("2024-03-13T13:30:00Z"));
    assert!(live.is_loaded(0) && !live.is_loaded(1));
    live.release(0);
    assert!(!live.is_loaded(0) && live.sessions() == 0);
}
