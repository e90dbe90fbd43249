//! Ends of requests: exactly one terminal event each, with what was served.

use std::collections::BTreeSet;

use backfill::config::ExecutorSection;
use contracts::{BackfillErrorClass, DataKind, RangeRequest};
use domain::{Bar, Timeframe, Timestamp};
use pipeline::{Reason, Verdict};

use crate::bench::{Bench, day, id, now, permanent, request};

fn of_layer(layer: i32, data_types: &[DataKind]) -> RangeRequest {
    RangeRequest { layer, data_types: data_types.to_vec(), ..request(1, "2024-01-02", "2024-01-05") }
}

#[test]
fn data_type_without_a_source_makes_the_request_partial() {
    let mut bench = Bench::new();
    bench.hold(&of_layer(0, &[DataKind::News, DataKind::MarketData]), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.partial, end.error_count), (false, true, 1));
    assert_eq!(end.errors, ["no_source: news: no source serves it"]);
    assert_eq!(end.records["market_data"], 4);
}

#[test]
fn timeframe_without_a_source_is_reported() {
    let mut bench = Bench::new();
    bench.source.timeframes.lock().unwrap().push(Timeframe::Minute5);
    bench.hold(&of_layer(1, &[DataKind::MarketData]), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!(end.errors, ["no_source: market_data 1hour: no source serves it"]);
    let parts: BTreeSet<_> = end.fetched.iter().map(|range| range.timeframe.as_str()).collect();
    assert_eq!(parts, BTreeSet::from(["1day", "5min"]));
    let first = bench.started.first().map(|job| job.timeframe);
    assert_eq!(first, Some(Some(Timeframe::Day1)), "the longest timeframe is first");
}

#[test]
fn request_without_any_source_fails_at_once() {
    let mut bench = Bench::new();
    let verdict = bench.request(&of_layer(2, &[DataKind::News, DataKind::Options]), now(0));
    assert!(matches!(verdict, Verdict::Emit(_)), "{verdict:?}");
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable, end.attempts), (BackfillErrorClass::NoSource, false, 0));
    assert_eq!(end.error, "news: no source serves it; and 1 more");
    assert_eq!(end.data_types, [DataKind::News, DataKind::Options]);
}

#[test]
fn failed_chunk_affects_only_the_requests_that_contain_it() {
    let mut bench = Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() });
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.hold(&request(1, "2024-01-01", "2024-01-20"), now(0));
    bench.hold(&request(2, "2024-01-12", "2024-01-20"), now(0));
    bench.hold(&request(3, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    let [partial, whole] = &bench.outputs.completed[..] else { panic!("{:?}", bench.outputs.ends()) };
    assert_eq!((partial.backfill_id.clone(), partial.partial, partial.error_count), (id(1), true, 1));
    assert!(partial.errors[0].contains("market_data 1day from 2024-01-01T05:00:00Z"), "{:?}", partial.errors);
    assert!(partial.errors[0].contains("source script failed: malformed response"), "{:?}", partial.errors);
    assert_eq!((whole.backfill_id.clone(), whole.success), (id(2), true));
    let [failed] = &bench.outputs.failed[..] else { panic!("{:?}", bench.outputs.failed) };
    assert_eq!((failed.backfill_id.clone(), failed.error_class), (id(3), BackfillErrorClass::Refused));
    assert_eq!(
        bench.outputs.coverage[0].intervals[0].start,
        day("2024-01-11"),
        "only what was served is covered"
    );
}

#[test]
fn duplicate_ends_at_once_and_names_the_first_attempt() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    let verdict = bench.request(&request(2, "2024-01-02", "2024-01-05"), now(60));
    assert!(matches!(verdict, Verdict::Emit(_)), "{verdict:?}");
    let end = &bench.outputs.failed[0];
    assert_eq!((end.backfill_id.clone(), end.error_class), (id(2), BackfillErrorClass::Duplicate));
    assert!(
        !end.retryable && end.error.contains(&format!("attempt 1 of backfill {}", id(1))),
        "{}",
        end.error
    );
    // A request for another layer is not a duplicate.
    let other = RangeRequest { layer: 1, ..request(3, "2024-01-02", "2024-01-05") };
    bench.hold(&other, now(61));
    // The dedup window ends after an hour.
    bench.hold(&request(4, "2024-01-02", "2024-01-05"), now(2 + 3_601));
}

#[test]
fn failed_request_is_retried_as_the_next_attempt() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(3));
    bench.work_all(now(5));
    assert_eq!((bench.outputs.failed[0].attempt, bench.outputs.completed[0].attempt), (1, 2));
    assert!(bench.outputs.completed[0].success);
}

#[test]
fn each_attempt_ends_in_exactly_one_terminal_event() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    let verdict = bench.request(&request(1, "2024-01-02", "2024-01-05"), now(1));
    assert!(matches!(verdict, Verdict::Drop(Reason("repeated"))), "{verdict:?}");
    bench.work_all(now(2));
    for (second, attempt) in [(3, 1), (4, 1), (5, 9)] {
        let again = RangeRequest { attempt, ..request(1, "2024-01-02", "2024-01-05") };
        assert!(matches!(bench.request(&again, now(second)), Verdict::Emit(_)));
    }
    let ends = bench.outputs.ends();
    assert_eq!(ends.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(), [1, 2, 3, 9]);
    assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), ends.len());
}

#[test]
fn errors_after_the_hundredth_are_only_counted() {
    let mut bench = Bench::with(ExecutorSection { day_bars_chunk_days: 1, ..ExecutorSection::default() });
    bench.source.errors.lock().unwrap().extend((0..120).map(|_| permanent()));
    bench.hold(&request(1, "2024-01-01", "2024-05-09"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.errors.len(), end.error_count, end.partial), (100, 120, true));
    assert_eq!(end.records["market_data"], 10);
}

#[test]
fn invalid_bars_are_a_permanent_error_that_names_the_bar() {
    let good = Bar {
        open_time: Timestamp::from_micros(day("2024-01-03")),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        volume: 1.0,
    };
    let elsewhere = Bar { open_time: Timestamp::from_micros(day("2023-01-03")), ..good };
    let cases = [
        (vec![Bar { close: 2.0, ..good }], "invalid bar of 2024-01-03T05:00:00Z: close 2 is above high 1"),
        (vec![elsewhere], "bar of 2023-01-03T05:00:00Z is outside the requested range"),
        (
            vec![good, good],
            "bars are not in ascending order: 2024-01-03T05:00:00Z precedes 2024-01-03T05:00:00Z",
        ),
    ];
    for (bars, cause) in cases {
        let mut bench = Bench::new();
        *bench.source.replacement.lock().unwrap() = Some(bars);
        bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
        bench.work_all(now(2));
        let end = &bench.outputs.failed[0];
        assert_eq!(end.error_class, BackfillErrorClass::Refused);
        assert!(end.error.contains(cause), "{}", end.error);
        assert!(bench.outputs.bars.is_empty() && bench.outputs.coverage.is_empty());
    }
}
