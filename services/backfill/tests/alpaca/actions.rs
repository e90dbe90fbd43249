//! Corporate actions: parameters, pages, horizon, actions of two symbols, and failures.

use backfill::sources::{Action, ActionKind, Source, SourceError};
use domain::{Interval, Symbol};
use kit::ErrorChain;

use crate::failures::Failure::{self, *};
use crate::responses::{BODIES, STATUSES, class};
use crate::serving_actions::{dividend, spin_off, split, uuid};
use crate::{Bench, aapl, at, range, sessions};

const YEARS: [u32; 6] = [2018, 2019, 2020, 2021, 2022, 2023];

/// A dividend of each quarter of six years.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.server.add("AAPL", "1Day", &sessions("2024-01-02", "2024-06-28"));
    let quarters = YEARS.into_iter().flat_map(|year| [2, 5, 8, 11].map(|month| (year, month)));
    let quarterly = |(year, month)| dividend(year * 100 + month, "AAPL", &format!("{year}-{month:02}-07"));
    bench.server.add_actions(quarters.map(quarterly));
    bench
}

fn years() -> Interval {
    range("2018-01-01T05:00:00Z", "2024-01-01T05:00:00Z")
}

fn ids(actions: &[Action]) -> Vec<&str> {
    actions.iter().map(|action| action.id.as_str()).collect()
}

#[test]
fn pages_of_actions_are_followed_to_their_end() {
    let bench = bench();
    bench.server.add_actions([
        split(1, "AAPL", "2020-08-31", (4, 1)),
        split(2, "AAPL", "2022-08-31", (1, 8)),
        spin_off(3, "AAPL", "PEAR", "2021-03-01"),
        spin_off(4, "MSFT", "AAPL", "2021-03-02"),
    ]);
    bench.server.limit_pages(5);
    let part = bench.actions(years()).unwrap();
    assert_eq!((part.records.len(), part.served(years())), (27, Some(years())));
    assert!(part.records.is_sorted_by(|a, b| a.ex_date < b.ex_date));
    let of = |id: u32| part.records.iter().find(|action| action.id == uuid(id));
    let terms =
        |id| of(id).map(|action| (action.kind, action.ratio, action.amount, action.ex_date.to_string()));
    let expected = |kind, ratio, amount, date: &str| Some((kind, ratio, amount, date.to_owned()));
    assert_eq!(terms(201_802), expected(ActionKind::Dividend, None, Some(0.25), "2018-02-07"));
    assert_eq!(terms(1), expected(ActionKind::Split, Some(4.0), None, "2020-08-31"));
    assert_eq!(terms(2), expected(ActionKind::Split, Some(0.125), None, "2022-08-31"));
    assert_eq!(terms(3), expected(ActionKind::Other, None, None, "2021-03-01"));
    assert_eq!(terms(4), None, "of MSFT");
    let requests = bench.server.take_requests();
    let parameters: Vec<String> = requests[0].iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = ["end=2025-02-03", "limit=1000", "sort=asc", "start=2017-12-02", "symbols=AAPL"];
    assert_eq!((requests.len(), parameters), (6, expected.map(str::to_owned).into()));
}

#[test]
fn action_has_its_place_by_its_ex_date() {
    let bench = Bench::new();
    let dates = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"];
    bench.server.add_actions((1..).zip(dates).map(|(id, date)| dividend(id, "AAPL", date)));
    let month = range("2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z");
    assert_eq!(ids(&bench.actions(month).unwrap().records), [uuid(2), uuid(3)]);
}

#[test]
fn actions_end_at_the_horizon() {
    let bench = Bench::new();
    let dates = ["2024-07-10", "2024-07-11"];
    bench.server.add_actions((1..).zip(dates).map(|(id, date)| dividend(id, "AAPL", date)));
    let days = range("2024-07-08T04:00:00Z", "2024-07-12T04:00:00Z");
    let part = bench.actions(days).unwrap();
    assert_eq!((ids(&part.records), part.horizon), (vec![uuid(1).as_str()], at("2024-07-10T14:45:00Z")));
    let later = range("2024-07-11T04:00:00Z", "2024-07-12T04:00:00Z");
    bench.server.take_requests();
    assert_eq!(bench.actions(later).unwrap().served(later), None);
    assert_eq!(bench.server.take_requests().len(), 0);
}

#[test]
fn symbol_without_actions_is_checked_by_its_bars() {
    let bench = Bench::new();
    let error = bench.actions(years()).unwrap_err();
    assert!(matches!(error, SourceError::UnknownSymbol { symbol, .. } if symbol == aapl()), "{error}");
    bench.server.add("AAPL", "1Day", &sessions("2024-03-01", "2024-03-05"));
    let part = bench.actions(years()).unwrap();
    assert_eq!((part.records.len(), part.served(years())), (0, Some(years())));
}

#[test]
fn symbols_of_concurrent_calls_are_one_request() {
    let bench = Bench::with(|section| {
        section.symbols_a_call = 2;
        section.join_ms = 600_000.into();
    });
    bench.server.add_actions([dividend(1, "AAPL", "2023-02-07"), dividend(2, "MSFT", "2023-02-08")]);
    let source = &bench.source;
    let fetched = std::thread::scope(|scope| {
        let call = |name: &str| source.actions(Symbol::parse(name).unwrap(), years()).unwrap().records;
        let other = scope.spawn(move || call("MSFT"));
        [call("AAPL"), other.join().unwrap()]
    });
    assert_eq!([ids(&fetched[0]), ids(&fetched[1])], [[uuid(1).as_str()], [uuid(2).as_str()]]);
    assert_eq!(bench.server.take_requests().len(), 1);
}

#[test]
fn planner_requests_all_that_the_source_serves() {
    let (bench, config) = (Bench::new(), backfill::config::BackfillConfig::default());
    assert_eq!(backfill::served::served_types(&bench.source).len(), 3);
    assert_eq!(backfill::served::not_requested(&config, &bench.source), [""; 0]);
}

const ACTIONS: [(Failure, &str); 7] = [
    (Duplicate, "invalid range"),
    (OtherSymbol, "invalid range"),
    (OutOfRange, "invalid range"),
    (InvalidTime, "invalid range"),
    (TextAsPrice, "invalid range"),
    (NegativeRate, "invalid range"),
    (MissingField, "invalid range"),
];

#[test]
fn failure_of_a_page_of_actions_has_its_class() {
    for (failure, expected) in STATUSES.into_iter().chain(BODIES).chain(ACTIONS) {
        let bench = bench();
        bench.server.limit_pages(10);
        bench.server.inject([None, Some(failure)]);
        let error = bench.actions(years()).expect_err(&format!("{failure:?}"));
        let text = ErrorChain(&error).to_string();
        assert_eq!(
            (class(&error).as_str(), bench.server.failures_left()),
            (expected, 0),
            "{failure:?}: {text}"
        );
        if ACTIONS.contains(&(failure, expected)) {
            let item = if failure == Duplicate { 11 } else { 10 };
            let named = format!("page 2: item {item} of cash_dividends: ");
            assert!(text.contains(&named), "{failure:?}: {text}");
            assert_eq!(bench.actions(years()).unwrap().records.len(), 24, "after {failure:?}");
        }
    }
}
