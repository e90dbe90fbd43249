//! Gaps of symbols whose bar files are absent, broken or too short, over a folder.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use backfill::sources::Files;
use chassis::ManualClock;
use contracts::{BackfillErrorClass, RangeRequest};
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, id, now, request};

const HEADER: &str = "Date,Open,High,Low,Close,Volume\n";

/// Day bars of each date from the first to the last of June 2023.
fn june(days: std::ops::RangeInclusive<u8>) -> String {
    days.map(|day| format!("2023-06-{day:02},10,11,9,10.5,1000\n")).collect()
}

fn over(folder: &Path) -> Bench {
    over_at(folder, &Arc::new(ManualClock::at(START_MICROS)))
}

fn over_at(folder: &Path, clock: &Arc<ManualClock>) -> Bench {
    let clock: Arc<dyn chassis::Clock> = Arc::<ManualClock>::clone(clock);
    Bench::over(Files::of_day_bars(folder.to_path_buf(), clock))
}

fn write(folder: &Path, symbol: &str, text: impl AsRef<[u8]>) {
    std::fs::write(folder.join(format!("{symbol}.csv")), text).expect("a writable folder");
}

fn gap(number: u128, symbol: &str, from: &str, to: &str) -> RangeRequest {
    RangeRequest { symbol: symbol.into(), ..request(number, from, to) }
}

#[test]
fn gap_is_fetched_when_the_file_of_its_symbol_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "NFLX", "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    assert_eq!(bench.outputs.failed[0].error_class, BackfillErrorClass::UnknownSymbol);

    write(folder.path(), "NFLX", format!("{HEADER}{}", june(1..=30)));
    bench.hold(&gap(2, "NFLX", "2023-06-05", "2023-06-20"), now(10));
    bench.work_all(now(12));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["market_data"], end.skipped.len()), (true, 16, 0));
}

#[test]
fn rest_of_a_gap_is_fetched_when_the_file_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "AAPL", format!("{HEADER}{}", june(1..=15)));
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "AAPL", "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.partial, end.records["market_data"]), (false, true, 15));

    write(folder.path(), "AAPL", format!("{HEADER}{}", june(1..=30)));
    bench.hold(&gap(2, "AAPL", "2023-06-10", "2023-06-30"), now(10));
    bench.work_all(now(12));
    let end = &bench.outputs.completed[1];
    assert_eq!((end.success, end.records["market_data"]), (true, 15));
    assert_eq!(bench.outputs.bars.len(), 30, "each bar once");
}

#[test]
fn wrong_date_of_the_future_covers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let typo = "2204-06-15,10,11,9,10.5,1000\n";
    write(folder.path(), "AAPL", format!("{HEADER}{}{typo}", june(1..=14)));
    write(folder.path(), "MSFT", format!("{HEADER}{typo}{}", june(1..=14)));
    let mut bench = over(folder.path());
    for (number, symbol) in [(1, "AAPL"), (2, "MSFT")] {
        bench.hold(&gap(number, symbol, "2023-06-15", "2023-06-30"), now(0));
    }
    bench.work_all(now(2));
    let classes: Vec<_> = bench.outputs.failed.iter().map(|end| end.error_class).collect();
    assert_eq!(classes, [BackfillErrorClass::NotYet; 2], "{:?}", bench.outputs.completed);
    assert_eq!(bench.outputs.coverage.len(), 0);
}

#[test]
fn broken_rows_and_bytes_elsewhere_in_a_file_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "IBM", format!("{HEADER}1999-01-04,null,null,null,null,null\n{}", june(1..=30)));
    let mut noted = b"Date,Open,High,Low,Close,Volume,Note\n2023-01-03,10,11,9,10.5,1000,caf\xe9\n".to_vec();
    noted.extend(june(1..=30).into_bytes());
    write(folder.path(), "MSFT", noted);
    let mut bench = over(folder.path());
    for (number, symbol) in [(1, "IBM"), (2, "MSFT")] {
        bench.hold(&gap(number, symbol, "2023-06-01", "2023-06-30"), now(0));
    }
    bench.work_all(now(2));
    let [first, second] = &bench.outputs.completed[..] else { panic!("{:?}", bench.outputs.failed) };
    assert_eq!((first.success, second.success), (true, true));
    assert_eq!(bench.outputs.bars.len(), 60);
}

#[test]
fn broken_row_of_the_range_is_rejected_without_a_retry() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "GOOG", format!("{HEADER}\"2023-06-01,1,1,1,1,1\n{}", june(2..=30).repeat(1_000)));
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "GOOG", "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable, end.attempts), (BackfillErrorClass::Refused, false, 1));
    assert!(
        end.error.contains("GOOG.csv:2: quoted field is not closed") && end.error.len() < 400,
        "{}",
        end.error
    );
}

#[test]
fn rows_hidden_by_a_quote_are_not_covered() {
    let folder = tempfile::tempdir().unwrap();
    let header = HEADER.replace("Volume", "Volume,Note");
    let valid = format!("{header}{}", june(1..=30).replace("1000\n", "1000,n\n"));
    write(folder.path(), "AAPL", valid.replace("06-12,10,11,9,10.5,1000,", "06-12,10,11,9,10.5,1000,\""));
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "AAPL", "2023-06-10", "2023-06-20"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.completed[0];
    assert!(end.errors[0].contains("AAPL.csv:13: quoted field is not closed"), "{:?}", end.errors);
    assert_eq!((end.partial, end.records["market_data"], end.quality["rejected_rows"]), (true, 2, 1));
    assert_eq!(end.fetched[0].end, day("2023-06-11"), "the last row before the quote");

    write(folder.path(), "AAPL", valid);
    bench.hold(&gap(2, "AAPL", "2023-06-10", "2023-06-20"), now(10));
    bench.work_all(now(12));
    assert_eq!(bench.outputs.completed[1].records["market_data"], 9);
}

#[test]
fn cause_in_a_file_precedes_timeframes_without_a_source() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "GOOG", format!("{HEADER}\"{}", june(1..=30)));
    let mut bench = over(folder.path());
    for (number, symbol) in [(1, "NFLX"), (2, "GOOG")] {
        bench.hold(&RangeRequest { layer: 1, ..gap(number, symbol, "2023-06-01", "2023-06-30") }, now(0));
    }
    bench.work_all(now(2));
    let [first, second] = &bench.outputs.failed[..] else { panic!("{:?}", bench.outputs.completed) };
    for (end, cause) in [(first, "NFLX: no file "), (second, "GOOG.csv:2: quoted field is not closed")] {
        assert!(end.error.starts_with("market_data 1day from 2023-06-01T04:00:00Z"), "{}", end.error);
        assert!(end.error.contains(cause) && end.error.ends_with("; and 2 more"), "{}", end.error);
    }
}

#[test]
fn half_written_file_is_read_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("AAPL.csv");
    let change = |text: &str, second: u64| {
        let mut file = std::fs::File::options().create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let micros = u64::try_from(now(second).wall_micros).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_micros(micros)).unwrap();
    };
    change(&format!("{HEADER}{}2023-06-30,10,11,9,10.5,1", june(1..=29)), 0);
    let clock = Arc::new(ManualClock::at(START_MICROS));
    let mut bench = over_at(folder.path(), &clock);
    bench.hold(&gap(1, "AAPL", "2023-06-01", "2023-06-30"), now(0));
    for second in 1..=12 {
        clock.advance(Duration::from_secs(1));
        if second == 8 {
            change("000\n", 8);
        }
        bench.work_all(now(second));
    }
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["market_data"], bench.started.len()), (true, 30, 2));
    assert_eq!(bench.outputs.bars.last().map(|bar| bar.volume), Some(1_000.0));
}

#[test]
fn broken_row_costs_only_the_requests_that_contain_it() {
    let folder = tempfile::tempdir().unwrap();
    let broken = "2023-06-11,null,11,9,10.5,1000\n";
    write(folder.path(), "AAPL", format!("{HEADER}{}{broken}{}", june(1..=10), june(12..=30)));
    let mut bench = over(folder.path());
    let ranges = [("2023-06-01", "2023-06-09"), ("2023-06-08", "2023-06-14"), ("2023-06-12", "2023-06-20")];
    for (number, (from, to)) in (1..).zip(ranges) {
        bench.hold(&gap(number, "AAPL", from, to), now(0));
    }
    bench.work_all(now(2));
    let ends: Vec<_> = bench
        .outputs
        .completed
        .iter()
        .map(|end| (end.backfill_id.clone(), end.success, end.records["market_data"], end.error_count))
        .collect();
    assert_eq!(ends, [(id(1), true, 9, 0), (id(2), false, 6, 1), (id(3), true, 9, 0)]);
    let error = &bench.outputs.completed[1].errors[0];
    assert!(error.contains("AAPL.csv:12: open: `null` is not a number"), "{error}");
    assert_eq!(bench.outputs.bars.len(), 19, "each bar once");
    let rejected: Vec<_> = bench.outputs.completed.iter().map(|end| end.quality["rejected_rows"]).collect();
    assert_eq!(rejected, [0, 1, 0]);

    // Alone, a request contains all of its chunk.
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "AAPL", "2023-06-08", "2023-06-14"), now(0));
    bench.work_all(now(2));
    assert_eq!((bench.outputs.completed[0].records["market_data"], bench.started.len()), (6, 1));
}

#[test]
fn broken_header_is_read_once_for_all_requests() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "AAPL", format!("day,{HEADER}{}", june(1..=30)).replace("Date", "Day"));
    let mut bench = over(folder.path());
    bench.hold(&gap(1, "AAPL", "2023-06-01", "2023-06-09"), now(0));
    bench.hold(&gap(2, "AAPL", "2023-06-08", "2023-06-14"), now(0));
    bench.work_all(now(2));
    let classes: Vec<_> = bench.outputs.failed.iter().map(|end| end.error_class).collect();
    assert_eq!((classes, bench.started.len()), (vec![BackfillErrorClass::Refused; 2], 1));
}
