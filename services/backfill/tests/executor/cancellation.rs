//! Requests with `cancel`: running attempts end, and what is written stays.

use backfill::config::ExecutorSection;
use contracts::{BackfillErrorClass, RangeRequest, Topic};
use pipeline::{Reason, Verdict};

use crate::bench::{Bench, day, id, now, request};

fn bench_of_ten_days() -> Bench {
    Bench::with(ExecutorSection { day_bars_chunk_days: 10, running_max: 1, ..ExecutorSection::default() })
}

fn cancel(number: u128) -> RangeRequest {
    RangeRequest { event_id: id(99), cancel: true, ..request(number, "2024-01-01", "2024-01-02") }
}

fn is_dropped(verdict: &Verdict<kafka_io::OutRecord>) -> bool {
    matches!(verdict, Verdict::Drop(Reason("not_running")))
}

#[test]
fn cancelled_backfill_keeps_what_is_written() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.tick(now(2));
    let first = bench.take_jobs();
    bench.work(&first[0], now(2));
    let second = bench.take_jobs();
    bench.hold(&cancel(1), now(3));
    let end = &bench.outputs.failed[0];
    assert_eq!((end.backfill_id.clone(), end.attempt, end.attempts), (id(1), 1, 1));
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Cancelled, false));
    assert_eq!(end.error, format!("cancelled by request {}", id(99)));
    assert_eq!(bench.outputs.emissions.last().unwrap(), &[Topic::RangeFailed]);
    assert_eq!((bench.resolved().len(), bench.held().len()), (2, 0), "both requests, in one emission");
    assert_eq!(bench.ended(), ["failed cancelled 1"]);

    bench.work(&second[0], now(4));
    assert!(bench.take_jobs().is_empty(), "no further chunk");
    assert_eq!((bench.outputs.bars.len(), bench.outputs.coverage.len()), (10, 1));
    assert_eq!(bench.outputs.coverage[0].intervals[0].end, day("2024-01-11") - 1);

    // Its slot is free, and the backfill may be requested again.
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(5));
    bench.work_all(now(7));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.attempt, end.success, end.records["market_data"]), (2, true, 15));
}

#[test]
fn cancel_ends_requests_that_have_not_started() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.table_ends_at(9);
    bench.hold(&RangeRequest { attempt: 2, ..request(1, "2024-01-01", "2024-01-25") }, now(0));
    bench.hold(&cancel(1), now(1));
    assert_eq!(bench.outputs.ends(), [(id(1), 1), (id(1), 2)], "gathering, and waiting for its coverage");
    bench.table_reaches(9);
    bench.work_all(now(60));
    assert!(bench.started.is_empty() && bench.held().is_empty());
}

#[test]
fn cancel_of_an_unknown_or_ended_backfill_is_dropped() {
    let mut bench = bench_of_ten_days();
    assert!(is_dropped(&bench.request(&cancel(1), now(0))));
    bench.hold(&request(1, "2024-01-01", "2024-01-02"), now(0));
    assert!(is_dropped(&bench.request(&cancel(2), now(1))));
    bench.work_all(now(2));
    assert!(is_dropped(&bench.request(&cancel(1), now(3))));
    assert_eq!((bench.outputs.completed.len(), bench.outputs.failed.len()), (1, 0));
}

#[test]
fn other_requests_of_the_fetch_get_their_own_range() {
    for is_started in [false, true] {
        let mut bench = bench_of_ten_days();
        bench.hold(&request(1, "2024-01-01", "2024-02-29"), now(0));
        bench.hold(&request(2, "2024-01-01", "2024-01-15"), now(0));
        if is_started {
            bench.tick(now(2));
        }
        bench.hold(&cancel(1), now(2));
        bench.work_all(now(3));
        assert_eq!(bench.outputs.ends(), [(id(2), 1), (id(1), 1)]);
        assert!(bench.outputs.completed[0].success);
        assert_eq!(
            (bench.started.len(), bench.outputs.bars.len()),
            (2, 20),
            "no chunk of the cancelled one alone"
        );
    }
}

#[test]
fn cancelled_refetch_leaves_no_note() {
    let mut bench = bench_of_ten_days();
    bench.hold(&RangeRequest { refetch: true, ..request(1, "2024-01-01", "2024-01-25") }, now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(2));
    bench.hold(&cancel(1), now(3));
    assert_eq!(bench.outputs.emissions.last().unwrap(), &[Topic::RangeFailed, Topic::CoverageChanged]);
    let last = bench.outputs.coverage.last().unwrap();
    assert_eq!((last.intervals[0].end, &last.refetching), (day("2024-01-11") - 1, &None));
}
