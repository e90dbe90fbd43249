//! Histories: parameters, pages, horizon, and symbols that the vendor does not have.

use backfill::sources::{Source, SourceError};
use domain::{Symbol, Timeframe, Timestamp};

use crate::failures::Failure;
use crate::{Bench, aapl, at, days, open_times, range, sessions};

/// Bars of this distance from `first` on.
fn every(minutes: i64, first: &str, count: i64) -> Vec<Timestamp> {
    (0..count).map(|index| at(first).saturating_add_micros(index * minutes * 60_000_000)).collect()
}

#[test]
fn each_timeframe_has_its_name_and_its_bars() {
    let timeframes = [
        (Timeframe::Minute1, "1Min", every(1, "2024-06-03T13:30:00Z", 30)),
        (Timeframe::Minute5, "5Min", every(5, "2024-06-03T13:30:00Z", 30)),
        (Timeframe::Hour1, "1Hour", every(60, "2024-06-03T13:00:00Z", 8)),
        (Timeframe::Day1, "1Day", sessions("2024-06-03", "2024-06-14")),
    ];
    let bench = Bench::new();
    for (timeframe, name, times) in timeframes {
        bench.server.add("AAPL", name, &times);
        let all = range("2024-06-03T00:00:00Z", "2024-06-15T00:00:00Z");
        let part = bench.source.bars(aapl(), timeframe, all).unwrap();
        assert_eq!(open_times(&part), times, "{name}");
        assert!(part.horizon >= all.end(), "{name}: {}", part.horizon);
        assert!(bench.source.serves(domain::DataType::MarketData, Some(timeframe)));
    }
}

#[test]
fn request_has_the_documented_parameters() {
    let bench = Bench::with(|section| section.asof = "2024-06-28".to_owned());
    bench.server.add("BRK.B", "1Day", &sessions("2024-01-02", "2024-01-10"));
    let symbol = Symbol::parse("BRK.B").unwrap();
    bench.source.bars(symbol, Timeframe::Day1, days("2024-01-02", "2024-01-10")).unwrap();
    let requests = bench.server.take_requests();
    let parameters: Vec<String> = requests[0].iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "adjustment=raw",
        "asof=2024-06-28",
        "end=2024-01-10T05:00:00Z",
        "feed=iex",
        "limit=10000",
        "sort=asc",
        "start=2024-01-02T05:00:00Z",
        "symbols=BRK.B",
        "timeframe=1Day",
    ];
    assert_eq!((requests.len(), parameters), (1, expected.map(str::to_owned).into()));
}

#[test]
fn pages_are_followed_to_their_end() {
    let bench = Bench::with(|section| section.page_limit = 7);
    let times = sessions("2024-01-02", "2024-06-28");
    bench.server.add("AAPL", "1Day", &times);
    let part = bench.day_bars(days("2024-01-02", "2024-06-28")).unwrap();
    assert_eq!(open_times(&part), times);
    assert_eq!(bench.server.take_requests().len(), times.len().div_ceil(7));
    assert_eq!((part.records[1].open, part.records[1].high, part.records[1].low), (100.01, 101.01, 99.01));
    assert_eq!((part.records[1].close, part.records[1].volume), (100.51, 1_001.0));
}

#[test]
fn range_ends_at_the_last_final_bar() {
    let bench = Bench::new();
    bench.server.add("AAPL", "1Day", &sessions("2024-07-01", "2024-07-10"));
    let part = bench.day_bars(days("2024-07-08", "2024-07-12")).unwrap();
    assert_eq!(open_times(&part), sessions("2024-07-08", "2024-07-09"));
    assert_eq!(part.horizon, at("2024-07-10T04:00:00Z"), "the bar of today is not final");
    bench.server.take_requests();
    let part = bench.day_bars(days("2024-07-10", "2024-07-12")).unwrap();
    assert_eq!((part.records.len(), part.horizon), (0, at("2024-07-10T04:00:00Z")));
    assert_eq!(bench.server.take_requests().len(), 0, "no request for a range without final bars");
}

#[test]
fn plan_without_recent_data_lowers_the_horizon() {
    for failure in [Failure::RecentData, Failure::PastMinutes] {
        let bench = Bench::new();
        bench.server.add("AAPL", "1Min", &every(1, "2024-07-10T13:30:00Z", 80));
        bench.server.inject([Some(failure)]);
        let day = range("2024-07-10T13:30:00Z", "2024-07-10T20:00:00Z");
        let part = bench.source.bars(aapl(), Timeframe::Minute1, day).unwrap();
        // 76 minutes before now: an hour, 15 minutes and the length of the bar.
        assert_eq!(part.horizon, at("2024-07-10T13:44:00.000001Z"));
        assert_eq!(open_times(&part), every(1, "2024-07-10T13:30:00Z", 15));
    }
}

#[test]
fn plan_that_rejects_all_of_a_range_has_nothing_of_it() {
    let bench = Bench::new();
    bench.server.add("AAPL", "1Min", &every(1, "2024-07-09T13:30:00Z", 60));
    bench.server.inject([Some(Failure::RecentData); 3]);
    let day = range("2024-07-09T13:30:00Z", "2024-07-10T20:00:00Z");
    let part = bench.source.bars(aapl(), Timeframe::Minute1, day).unwrap();
    assert_eq!((part.records.len(), part.served(day)), (0, None));
    assert_eq!(bench.server.take_requests().len(), 3);
}

fn is_unknown(result: Result<backfill::sources::SourceBars, SourceError>) -> bool {
    matches!(result, Err(SourceError::UnknownSymbol { .. }))
}

#[test]
fn symbol_without_any_bar_is_unknown() {
    let bench = Bench::new();
    assert!(is_unknown(bench.day_bars(days("2024-01-02", "2024-01-31"))));
    let requests = bench.server.take_requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[1]["limit"].as_str(), requests[1]["timeframe"].as_str()), ("1", "1Day"));
    // Accepted by our rule of symbols, but not by the server.
    let symbol = Symbol::parse("BRK-B").unwrap();
    assert!(is_unknown(bench.source.bars(symbol, Timeframe::Day1, days("2024-01-02", "2024-01-31"))));
}

#[test]
fn listed_symbol_without_bars_in_the_range_is_complete() {
    let bench = Bench::new();
    bench.server.add("AAPL", "1Day", &sessions("2024-03-01", "2024-03-05"));
    for month in ["2024-01", "2024-02"] {
        let before = days(&format!("{month}-02"), &format!("{month}-15"));
        let part = bench.day_bars(before).unwrap();
        assert_eq!((part.records.len(), part.served(before)), (0, Some(before)));
    }
    assert_eq!(bench.server.take_requests().len(), 3, "the symbol is checked once");
}

#[test]
fn range_without_a_session_needs_no_check_of_the_symbol() {
    let bench = Bench::new();
    let weekend = days("2024-01-06", "2024-01-07");
    assert_eq!(bench.day_bars(weekend).unwrap().records, []);
    assert_eq!(bench.server.take_requests().len(), 1);
}
