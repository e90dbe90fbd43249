//! Coverage: what is in the topics is not fetched again, whoever fetched it.

use contracts::{CoverageChange, RangeRequest};
use domain::calendar::day_open;
use domain::{Timestamp, calendar};

use crate::bench::{Bench, WALL_MICROS, day, id, now, request};

#[test]
fn what_is_covered_is_skipped_and_said_so() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-08", "2024-01-12"), now(0));
    bench.work_all(now(2));
    bench.asked.clear();
    bench.hold(&request(2, "2024-01-01", "2024-01-20"), now(10));
    bench.work_all(now(12));

    let asked: Vec<_> =
        bench.asked.iter().map(|job| (job.range.start().micros(), job.range.last().micros())).collect();
    assert_eq!(
        asked,
        [(day("2024-01-01"), day("2024-01-08") - 1), (day("2024-01-12") + 1, day("2024-01-20"))]
    );
    let end = &bench.left.completed[1];
    assert!(end.success && end.records["market_data"] == 15);
    let skipped: Vec<_> = end.skipped.iter().map(|range| (range.start, range.end)).collect();
    assert_eq!(skipped, [(day("2024-01-08"), day("2024-01-12"))]);
    assert_eq!(end.fetched.len(), 2);
    assert_eq!(bench.left.bars.len(), 20, "each bar once");
}

#[test]
fn a_range_that_is_covered_whole_asks_nothing_of_the_source() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-01", "2024-01-20"), now(0));
    bench.work_all(now(2));
    bench.hold(&request(2, "2024-01-05", "2024-01-06"), now(10));
    bench.work_all(now(12));
    assert_eq!((bench.asked.len(), bench.left.completed.len()), (1, 2));
    let end = &bench.left.completed[1];
    assert!(end.success && end.fetched.is_empty() && end.skipped.len() == 1);
}

/// What a stage has fetched and left behind before it went.
fn fetched_before(from: &str, to: &str) -> Vec<CoverageChange> {
    let mut bench = Bench::new();
    bench.hold(&request(1, from, to), now(0));
    bench.work_all(now(2));
    bench.left.coverage
}

#[test]
fn a_restart_fetches_only_what_its_restored_coverage_lacks() {
    let mut bench = Bench::new();
    for change in fetched_before("2024-01-01", "2024-01-20") {
        bench.table_record(&change);
    }
    bench.table_reaches(3);
    bench.table_ends_at(3);
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    let [job] = &bench.asked[..] else { panic!("{:?}", bench.asked) };
    assert_eq!(job.range.start().micros(), day("2024-01-20") + 1);
    let opened: Vec<_> = bench.left.bars.iter().map(|bar| bar.open_time).collect();
    assert_eq!(opened.first(), Some(&day("2024-01-21")));
    assert_eq!(opened.len(), 5);
}

#[test]
fn a_request_waits_until_the_coverage_that_was_there_before_it_is_read() {
    let mut bench = Bench::new();
    bench.table_ends_at(2);
    bench.hold(&request(1, "2024-01-01", "2024-01-20"), now(0));
    bench.table_reaches(1);
    bench.work_all(now(60));
    assert!(bench.asked.is_empty());
    for change in fetched_before("2024-01-01", "2024-01-20") {
        bench.table_record(&change);
    }
    bench.table_reaches(2);
    bench.work_all(now(61));
    bench.work_all(now(63));
    assert!(bench.asked.is_empty(), "all of it is covered");
    assert_eq!(bench.left.ends(), [(id(1), 1)]);
}

#[test]
fn own_coverage_that_comes_back_late_rolls_nothing_back() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-01", "2024-01-10"), now(0));
    bench.work_all(now(2));
    let older = bench.left.coverage[0].clone();
    bench.hold(&request(2, "2024-01-01", "2024-01-20"), now(10));
    bench.work_all(now(12));
    bench.table_record(&older);
    bench.table_reaches(1);
    bench.asked.clear();
    bench.hold(&request(3, "2024-01-02", "2024-01-19"), now(20));
    bench.work_all(now(22));
    assert!(bench.asked.is_empty(), "{:?}", bench.asked);
}

#[test]
fn what_is_no_coverage_is_skipped_and_counted() {
    let mut bench = Bench::new();
    let mut change = fetched_before("2024-01-01", "2024-01-20").remove(0);
    change.intervals[0].end = change.intervals[0].start - 1;
    bench.table_record(&change);
    assert_eq!(bench.note("tapeline_skipped_coverage_changes_total"), 1);
}

#[test]
fn a_bar_that_has_not_closed_is_neither_fetched_nor_covered() {
    // The day's session closes with the clock of these tests; an hour before, its bar is open.
    let hour_micros = 3_600_000_000;
    let today = day_open(calendar::date_of(Timestamp::from_micros(WALL_MICROS))).micros();
    let at = |seconds, wall_micros| pipeline::Now { wall_micros, ..now(seconds) };
    let mut bench = Bench::new();
    let until_now =
        |number, end| RangeRequest { end, occurred_at: end, ..request(number, "2024-07-08", "2024-07-09") };
    bench.hold(&until_now(1, WALL_MICROS - hour_micros), at(0, WALL_MICROS - hour_micros));
    bench.work_all(at(2, WALL_MICROS - hour_micros));
    let opened: Vec<_> = bench.left.bars.iter().map(|bar| bar.open_time).collect();
    assert_eq!(opened, [day("2024-07-08"), day("2024-07-09")]);
    assert_eq!(bench.left.coverage[0].intervals[0].end, today - 1);
    assert!(bench.left.completed[0].success, "there is no more of it yet");

    bench.hold(&until_now(2, WALL_MICROS), at(10, WALL_MICROS));
    bench.work_all(at(12, WALL_MICROS));
    assert_eq!(bench.left.bars.last().map(|bar| bar.open_time), Some(today));
    assert_eq!(bench.left.bars.len(), 3);
}
