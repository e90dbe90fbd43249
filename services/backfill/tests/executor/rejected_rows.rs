//! Bad rows of a file: the backfill continues past them, names and counts them, and does not cover their bars.

use std::path::Path;
use std::sync::Arc;

use backfill::sources::Files;
use chassis::ManualClock;
use contracts::RangeRequest;
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, now, request};

const HEADER: &str = "Date,Open,High,Low,Close,Volume\n";

fn row(day: u8) -> String {
    format!("2023-06-{day:02},10,11,9,10.5,1000\n")
}

fn june(days: std::ops::RangeInclusive<u8>) -> String {
    days.map(row).collect()
}

fn over(folder: &Path) -> Bench {
    Bench::over(Files::of_day_bars(folder.to_path_buf(), Arc::new(ManualClock::at(START_MICROS))))
}

fn folder_with(rows: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("AAPL.csv"), format!("{HEADER}{rows}")).expect("a writable folder");
    folder
}

/// Fetches June 2023 and returns the bench.
fn fetched(folder: &Path) -> Bench {
    let mut bench = over(folder);
    bench.hold(&request(1, "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    bench
}

/// The first and last date of each covered interval.
fn covered(bench: &Bench) -> Vec<(i64, i64)> {
    let last = bench.outputs.coverage.last().expect("coverage");
    last.intervals.iter().map(|span| (span.start, span.end)).collect()
}

#[test]
fn bad_row_is_named_and_costs_its_own_bar() {
    let folder = folder_with(&format!("{}2023-06-11,10,11,9,x,1000\r\n\r\n{}", june(1..=10), june(12..=30)));
    let bench = fetched(folder.path());
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.partial, end.records["market_data"], end.error_count), (false, true, 29, 1));
    assert!(end.errors[0].contains(": market_data 1day: /"), "{:?}", end.errors);
    assert!(end.errors[0].ends_with("AAPL.csv:12: close: `x` is not a number"), "{:?}", end.errors);
    assert_eq!((end.quality["rejected_rows"], end.quality["duplicate_bars"]), (1, 0));
    assert_eq!(
        covered(&bench),
        [(day("2023-06-01"), day("2023-06-11") - 1), (day("2023-06-12"), day("2023-06-30"))]
    );
}

#[test]
fn repaired_row_alone_is_fetched_by_the_next_request() {
    let folder = folder_with(&format!("{}2023-06-11,10,11,9,x,1000\n{}", june(1..=10), june(12..=30)));
    let mut bench = fetched(folder.path());
    bench.hold(&request(2, "2023-06-05", "2023-06-20"), now(10));
    bench.work_all(now(12));
    let [_, end] = &bench.outputs.completed[..] else { panic!("{:?}", bench.outputs.failed) };
    assert_eq!((end.partial, end.records.len(), end.quality["rejected_rows"]), (true, 0, 1));
    std::fs::write(folder.path().join("AAPL.csv"), format!("{HEADER}{}", june(1..=30))).unwrap();
    bench.hold(&request(3, "2023-06-05", "2023-06-20"), now(20));
    bench.work_all(now(22));
    let end = &bench.outputs.completed[2];
    assert_eq!((end.success, end.records["market_data"], bench.outputs.bars.len()), (true, 1, 30));
    assert_eq!(covered(&bench), [(day("2023-06-01"), day("2023-06-30"))]);
}

#[test]
fn row_without_a_date_leaves_the_time_between_its_neighbours() {
    let folder = folder_with(&format!("{}?,10,11,9,10,1000\n{}", june(1..=9), june(13..=30)));
    let bench = fetched(folder.path());
    let end = &bench.outputs.completed[0];
    assert_eq!((end.partial, end.records["market_data"], end.quality["rejected_rows"]), (true, 27, 1));
    assert_eq!(
        covered(&bench),
        [(day("2023-06-01"), day("2023-06-09")), (day("2023-06-13"), day("2023-06-30"))]
    );
}

#[test]
fn copies_of_a_row_are_duplicates_of_one_bar() {
    let folder = folder_with(&june(1..=30).repeat(2));
    let bench = fetched(folder.path());
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["market_data"], end.error_count), (true, 30, 0));
    assert_eq!((end.quality["duplicate_bars"], end.quality["rejected_rows"]), (30, 0));
    assert_eq!(bench.outputs.bars.len(), 30);
}

#[test]
fn two_bars_of_a_date_are_neither_written_nor_covered() {
    let folder = folder_with(&format!("{}2023-06-10,10,11,9,9.5,1000\n{}", june(1..=10), june(11..=30)));
    let bench = fetched(folder.path());
    let end = &bench.outputs.completed[0];
    assert_eq!((end.partial, end.records["market_data"]), (true, 29));
    assert_eq!((end.quality["duplicate_bars"], end.quality["rejected_rows"]), (1, 1));
    assert!(end.errors[0].ends_with("AAPL.csv:12: date: duplicate date 2023-06-10"), "{:?}", end.errors);
    assert!(bench.outputs.bars.iter().all(|bar| bar.open_time != day("2023-06-10")));
}

#[test]
fn twenty_rows_of_a_file_are_listed_and_all_are_counted() {
    let bad: String = (1..=28).map(|day| format!("2023-05-{day:02},x,11,9,10,1000\n")).collect();
    let folder = folder_with(&format!("{bad}{}", june(1..=30)));
    let mut bench = over(folder.path());
    bench.hold(&request(1, "2023-05-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.errors.len(), end.error_count, end.quality["rejected_rows"]), (20, 28, 28));
    assert_eq!((end.records["market_data"], end.partial), (30, true));
}

#[test]
fn row_that_concerns_two_chunks_counts_once() {
    let section = backfill::config::ExecutorSection { day_bars_chunk_days: 10, ..Default::default() };
    let folder = folder_with(&format!("{}?,10,11,9,10,1000\n{}", june(1..=9), june(13..=30)));
    let source = Files::of_day_bars(folder.path().to_path_buf(), Arc::new(ManualClock::at(START_MICROS)));
    let mut bench = Bench::over_with(section, source);
    bench.hold(&request(1, "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((bench.started.len(), end.quality["rejected_rows"], end.error_count), (3, 1, 1));
}

#[test]
fn bad_file_does_not_stop_other_symbols() {
    let folder = folder_with(&june(1..=30));
    std::fs::write(folder.path().join("MSFT.csv"), "<!DOCTYPE html>\n").unwrap();
    let mut bench = over(folder.path());
    for (number, symbol) in [(1, "MSFT"), (2, "AAPL")] {
        let request = request(number, "2023-06-01", "2023-06-30");
        bench.hold(&RangeRequest { symbol: symbol.into(), ..request }, now(0));
    }
    bench.work_all(now(2));
    assert_eq!((bench.outputs.failed.len(), bench.outputs.completed[0].success), (1, true));
}
