//! Coverage: ranges that are in the topics are not fetched again, by any owner.

use contracts::{CoverageChange, RangeRequest};
use domain::calendar::day_open;
use domain::{Timestamp, calendar};
use kafka_io::TableRecord;
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, id, now, request};

#[test]
fn covered_range_is_skipped_and_reported() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-08", "2024-01-12"), now(0));
    bench.work_all(now(2));
    bench.started.clear();
    bench.hold(&request(2, "2024-01-01", "2024-01-20"), now(10));
    bench.work_all(now(12));

    let fetched: Vec<_> =
        bench.started.iter().map(|job| (job.range.start().micros(), job.range.last().micros())).collect();
    assert_eq!(
        fetched,
        [(day("2024-01-01"), day("2024-01-08") - 1), (day("2024-01-12") + 1, day("2024-01-20"))]
    );
    let end = &bench.outputs.completed[1];
    assert!(end.success && end.records["market_data"] == 15);
    // The source has a bar of each calendar day: of the two fetched parts, New Year, 6, 7, 13, 14 and 20 January, and the holiday on 15 January have no session.
    let quality: Vec<_> = end.quality.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected =
        [("duplicate_bars", 0), ("missing_bars", 0), ("off_calendar_bars", 7), ("rejected_rows", 0)];
    assert_eq!(quality, expected);
    let skipped: Vec<_> = end.skipped.iter().map(|range| (range.start, range.end)).collect();
    assert_eq!(skipped, [(day("2024-01-08"), day("2024-01-12"))]);
    assert_eq!(end.fetched.len(), 2);
    assert_eq!(bench.outputs.bars.len(), 20, "each bar once");
}

#[test]
fn fully_covered_range_does_not_call_the_source() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-01", "2024-01-20"), now(0));
    bench.work_all(now(2));
    bench.hold(&request(2, "2024-01-05", "2024-01-06"), now(10));
    bench.work_all(now(12));
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (1, 2));
    let end = &bench.outputs.completed[1];
    assert!(end.success && end.fetched.is_empty() && end.skipped.len() == 1);
}

/// Returns the coverage events of a previous owner that fetched this range.
fn coverage_of_previous_owner(from: &str, to: &str) -> Vec<CoverageChange> {
    let mut bench = Bench::new();
    bench.hold(&request(1, from, to), now(0));
    bench.work_all(now(2));
    bench.outputs.coverage
}

#[test]
fn restart_fetches_only_what_restored_coverage_lacks() {
    let mut bench = Bench::new();
    for change in coverage_of_previous_owner("2024-01-01", "2024-01-20") {
        bench.table_record(&change);
    }
    bench.table_reaches(3);
    bench.table_ends_at(3);
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    let [job] = &bench.started[..] else { panic!("{:?}", bench.started) };
    assert_eq!(job.range.start().micros(), day("2024-01-20") + 1);
    let opened: Vec<_> = bench.outputs.bars.iter().map(|bar| bar.open_time).collect();
    assert_eq!(opened.first(), Some(&day("2024-01-21")));
    assert_eq!(opened.len(), 5);
}

#[test]
fn request_waits_for_the_restored_coverage() {
    let mut bench = Bench::new();
    bench.table_ends_at(2);
    bench.hold(&request(1, "2024-01-01", "2024-01-20"), now(0));
    bench.table_reaches(1);
    bench.work_all(now(60));
    assert!(bench.started.is_empty());
    for change in coverage_of_previous_owner("2024-01-01", "2024-01-20") {
        bench.table_record(&change);
    }
    bench.table_reaches(2);
    bench.work_all(now(61));
    bench.work_all(now(63));
    assert!(bench.started.is_empty(), "all of it is covered");
    assert_eq!(bench.outputs.ends(), [(id(1), 1)]);
}

#[test]
fn late_own_coverage_does_not_revert_the_coverage() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-01", "2024-01-10"), now(0));
    bench.work_all(now(2));
    let older = bench.outputs.coverage[0].clone();
    bench.hold(&request(2, "2024-01-01", "2024-01-20"), now(10));
    bench.work_all(now(12));
    bench.table_record(&older);
    bench.table_reaches(1);
    bench.started.clear();
    bench.hold(&request(3, "2024-01-02", "2024-01-19"), now(20));
    bench.work_all(now(22));
    assert!(bench.started.is_empty(), "{:?}", bench.started);
}

#[test]
fn invalid_coverage_is_skipped_and_counted() {
    let mut bench = Bench::new();
    let mut change = coverage_of_previous_owner("2024-01-01", "2024-01-20").remove(0);
    change.intervals[0].end = change.intervals[0].start - 1;
    bench.table_record(&change);
    assert_eq!(bench.note("tapeline_skipped_coverage_changes_total"), 1);
}

#[test]
fn open_bar_is_neither_fetched_nor_covered() {
    // The session closes at the clock of these tests; one hour earlier its bar is open.
    let hour_micros = 3_600_000_000;
    let today = day_open(calendar::date_of(Timestamp::from_micros(START_MICROS))).micros();
    let at = |seconds, wall_micros| pipeline::Now { wall_micros, ..now(seconds) };
    let mut bench = Bench::new();
    let until_now =
        |number, end| RangeRequest { end, occurred_at: end, ..request(number, "2024-07-08", "2024-07-09") };
    bench.hold(&until_now(1, START_MICROS - hour_micros), at(0, START_MICROS - hour_micros));
    bench.work_all(at(2, START_MICROS - hour_micros));
    let opened: Vec<_> = bench.outputs.bars.iter().map(|bar| bar.open_time).collect();
    assert_eq!(opened, [day("2024-07-08"), day("2024-07-09")]);
    assert_eq!(bench.outputs.coverage[0].intervals[0].end, today - 1);
    assert!(bench.outputs.completed[0].success, "the source has no more yet");

    // Until 04:00 of the next day the bar has closed, but is not final.
    let final_at = START_MICROS + 12 * hour_micros;
    bench.hold(&until_now(2, START_MICROS), at(10, START_MICROS));
    bench.work_all(at(12, final_at - 1));
    let end = &bench.outputs.completed[1];
    assert_eq!((end.partial, end.error_count), (true, 1));
    let text = "not_yet: market_data 1day from 2024-07-10T04:00:00Z to 2024-07-10T20:00:00Z: \
                source script has no bars from 2024-07-10T04:00:00Z on yet";
    assert_eq!(end.errors, [text]);
    assert_eq!(bench.outputs.coverage.len(), 1);

    bench.hold(&until_now(3, START_MICROS), at(20, final_at));
    bench.work_all(at(22, final_at));
    assert_eq!(bench.outputs.bars.last().map(|bar| bar.open_time), Some(today));
    assert_eq!(bench.outputs.bars.len(), 3);
    assert!(bench.outputs.completed[2].success);
}

#[test]
fn tombstone_deletes_coverage_before_and_after_the_restoration() {
    let key = "AAPL|market_data|1day";
    let restored = |has_tombstone: bool| {
        let mut bench = Bench::new();
        for change in coverage_of_previous_owner("2024-01-01", "2024-01-20") {
            bench.table_record(&change);
        }
        if has_tombstone {
            assert_eq!(bench.tombstone(key), TableRecord::Taken);
        }
        bench.hold(&request(1, "2024-01-05", "2024-01-06"), now(0));
        bench.work_all(now(2));
        bench
    };
    assert_eq!(restored(true).started.len(), 1, "as after compaction, when neither record is left");
    let mut bench = restored(false);
    assert!(bench.started.is_empty());

    assert_eq!(bench.tombstone(key), TableRecord::Taken);
    bench.hold(&request(2, "2024-01-05", "2024-01-06"), now(10));
    bench.work_all(now(12));
    assert_eq!((bench.started.len(), bench.outputs.bars.len()), (1, 2), "and no duplicate");
    let last = bench.outputs.coverage.last().unwrap();
    assert_eq!(last.intervals.len(), 1, "only what was fetched since");
    assert_eq!(bench.note("tapeline_skipped_coverage_changes_total"), 0);
}

#[test]
fn tombstone_without_a_key_of_the_partition_is_skipped() {
    let mut bench = Bench::new();
    let elsewhere = ["MSFT", "IBM"].iter().find(|name| bench.wire.partition_of(name) != bench.partition());
    let keys = [format!("{}|market_data|1day", elsewhere.unwrap()), "AAPL".to_owned(), String::new()];
    for key in keys {
        assert_eq!(bench.tombstone(&key), TableRecord::Skipped, "{key}");
    }
    assert_eq!(bench.note("tapeline_skipped_coverage_changes_total"), 3);
}
