//! Sessions of a week, of which some are covered, held or requested.

use domain::calendar::day_open;
use domain::{Interval, IntervalSet};

use super::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn range(first: &str, last: &str) -> IntervalSet {
    let end = day_open(date(last).tomorrow().unwrap());
    [Interval::new(day_open(date(first)), end).unwrap()].into_iter().collect()
}

fn states(series: &SeriesHistory, timeframe: Timeframe) -> Vec<(String, DayState)> {
    let dates = series.dates().unwrap();
    days(series, Some(timeframe), dates).map(|day| (day.date.to_string(), day.state)).collect()
}

fn named(states: &[(&str, DayState)]) -> Vec<(String, DayState)> {
    states.iter().map(|(date, state)| ((*date).to_owned(), *state)).collect()
}

#[test]
fn bars_and_coverage_without_each_other_are_distinct() {
    let mut bars = HeldBars::new(Timeframe::Day1);
    // Wednesday and Friday; a bar on a Saturday has no session.
    for held in ["2024-03-13", "2024-03-15", "2024-03-16"] {
        bars.set(day_open(date(held)), true);
    }
    let series = SeriesHistory {
        bars: Some(bars),
        covered: range("2024-03-13", "2024-03-14"),
        pending: range("2024-03-15", "2024-03-18"),
        is_refetching: false,
    };
    let expected = named(&[
        ("2024-03-13", DayState::Held),
        ("2024-03-14", DayState::Empty),
        ("2024-03-15", DayState::Uncovered),
        ("2024-03-18", DayState::Pending),
    ]);
    assert_eq!(states(&series, Timeframe::Day1), expected);
    let mut total = SlotCounts::default();
    days(&series, Some(Timeframe::Day1), series.dates().unwrap()).for_each(|day| total.add(&day.slots));
    let counts = SlotCounts {
        expected: 4,
        held: 2,
        uncovered: 1,
        covered: 2,
        confirmed_empty: 1,
        pending: 1,
        missing: 0,
    };
    assert_eq!(total, counts);
}

#[test]
fn session_without_some_bars_is_partial_unless_covered() {
    let mut bars = HeldBars::new(Timeframe::Hour1);
    bars.set(Timestamp::parse("2024-03-14T14:00:00Z").unwrap(), true);
    let series = |covered| SeriesHistory { bars: Some(bars.clone()), covered, ..SeriesHistory::default() };
    let uncovered = series(IntervalSet::new());
    assert_eq!(states(&uncovered, Timeframe::Hour1), named(&[("2024-03-14", DayState::Partial)]));
    let covered = series(range("2024-03-14", "2024-03-14"));
    assert_eq!(states(&covered, Timeframe::Hour1), named(&[("2024-03-14", DayState::Held)]));
}

#[test]
fn gap_between_covered_dates_is_missing() {
    let mut covered = range("2024-03-12", "2024-03-12");
    covered.union(&range("2024-03-14", "2024-03-14"));
    let series = SeriesHistory { covered, ..SeriesHistory::default() };
    let expected = named(&[
        ("2024-03-12", DayState::Empty),
        ("2024-03-13", DayState::Missing),
        ("2024-03-14", DayState::Empty),
    ]);
    assert_eq!(states(&series, Timeframe::Day1), expected);
    assert_eq!(SeriesHistory::default().dates(), None);
}

#[test]
fn bar_outside_the_session_is_counted_as_such() {
    let mut bars = HeldBars::new(Timeframe::Minute1);
    // 08:00 and 10:00 in New York.
    for at in ["2024-03-14T12:00:00Z", "2024-03-14T14:00:00Z"] {
        bars.set(Timestamp::parse(at).unwrap(), true);
    }
    let series = SeriesHistory { bars: Some(bars), ..SeriesHistory::default() };
    let day = days(&series, Some(Timeframe::Minute1), series.dates().unwrap()).next().unwrap();
    assert_eq!((day.slots.held, day.off_session), (1, 1));
}
