//! Parquet files of several writers, and broken ones.

mod broken;

use domain::{Bar, Interval, Timeframe, Timestamp};
use jiff::tz::TimeZone;
use kit::ErrorChain;

use super::super::{BarFormat, parse as parse_csv};
use super::*;

const BYTES_MAX: u64 = 1 << 20;

/// The bars of all files of bars. The fourth has a high below its open.
const BARS: &str = "time,open,high,low,close,volume
2024-06-28T13:30:00Z,215.77,216.07,214.4,214.58,9721012
2024-06-28T13:35:00Z,214.58,214.9,213.1,214.9,8820140
2024-06-28T13:40:00Z,214.9,215,213,,7
2024-06-28T13:45:00Z,213.4,200,212.75,213.21,5120033
2024-06-28T13:50:00Z,213.21,213.88,212.75,213.5,3000000000
";

/// A file: its name, and its content.
type Named = (&'static str, &'static [u8]);

const SNAPPY: Named = ("snappy.parquet", include_bytes!("../../../../tests/parquet/snappy.parquet"));
const ZSTD: Named = ("zstd.parquet", include_bytes!("../../../../tests/parquet/zstd.parquet"));
const LZ4: Named = ("lz4.parquet", include_bytes!("../../../../tests/parquet/lz4.parquet"));
const GZIP: Named = ("gzip.parquet", include_bytes!("../../../../tests/parquet/gzip.parquet"));
const PLAIN: Named = ("plain.parquet", include_bytes!("../../../../tests/parquet/plain.parquet"));
const POLARS: Named = ("polars.parquet", include_bytes!("../../../../tests/parquet/polars.parquet"));
const DUCKDB: Named = ("duckdb.parquet", include_bytes!("../../../../tests/parquet/duckdb.parquet"));
const DAYS: Named = ("days.parquet", include_bytes!("../../../../tests/parquet/days.parquet"));

fn of_minutes() -> Layout<'static, BarFormat> {
    let zone = TimeZone::get("America/New_York").ok();
    Layout::of_one_symbol(BarFormat { timeframe: Timeframe::Minute5, zone })
}

/// A time after all rows, and the whole day.
fn excerpt() -> Excerpt {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let range = Interval::new(at("2024-06-28T04:00:00Z"), at("2024-06-29T04:00:00Z")).unwrap();
    Excerpt { range, now: at("2024-07-10T20:00:00Z") }
}

/// The records, the invalid rows with their numbers, and what is unknown.
fn found<R: Clone + std::fmt::Debug>(
    rows: Result<RangeOfFile<R>, CsvError>,
) -> (Vec<R>, Vec<(u64, String)>, Vec<Interval>) {
    let rows = rows.unwrap_or_else(|error| panic!("{}", ErrorChain(&error)));
    let invalid = rows.invalid.iter().map(|row| (row.line, ErrorChain(&row.cause).to_string()));
    (rows.records.clone(), invalid.collect(), rows.unknown.iter().collect())
}

fn error_of(bytes: &[u8], bytes_max: u64) -> String {
    let rows = parse(Path::new("AAPL.parquet"), bytes.to_vec(), bytes_max, &of_minutes(), Some(excerpt()));
    rows.map(|rows| rows.records.len()).map_err(|error| ErrorChain(&error).to_string()).unwrap_err()
}

#[test]
fn files_of_each_writer_have_the_rows_of_the_csv_file() {
    let files = [SNAPPY, ZSTD, LZ4, GZIP, PLAIN, POLARS, DUCKDB];
    let csv = parse_csv(Path::new("AAPL.csv"), BARS.as_bytes(), &of_minutes(), Some(excerpt()));
    let (bars, invalid, unknown) = found(csv);
    // The number of a row is that of its line without the header.
    let invalid: Vec<_> = invalid.into_iter().map(|(line, cause)| (line - 1, cause)).collect();
    assert_eq!(invalid[0], (3, "close: `` is not a number".to_owned()));
    assert_eq!((bars.len(), invalid.len()), (3, 2));
    for (name, bytes) in files {
        let rows = parse(Path::new(name), bytes.to_vec(), BYTES_MAX, &of_minutes(), Some(excerpt()));
        assert_eq!(found(rows), (bars.clone(), invalid.clone(), unknown.clone()), "{name}");
    }
}

#[test]
fn local_times_need_a_time_zone() {
    let layout = Layout::of_one_symbol(BarFormat { timeframe: Timeframe::Minute5, zone: None });
    let (name, bytes) = ZSTD;
    let error = parse(Path::new(name), bytes.to_vec(), BYTES_MAX, &layout, None);
    let error = error.map(|rows| rows.records.len()).unwrap_err().to_string();
    let first = "zstd.parquet:1: time: `2024-06-28T09:30:00` has no offset, and source.time_zone is not set";
    assert!(error.starts_with(first), "{error}");
}

#[test]
fn day_bars_have_dates() {
    let (name, bytes) = DAYS;
    let layout = Layout::of_one_symbol(BarFormat::of_days());
    let rows = parse(Path::new(name), bytes.to_vec(), BYTES_MAX, &layout, None).unwrap();
    let days: Vec<_> = rows
        .records
        .iter()
        .map(|bar: &Bar| (domain::calendar::date_of(bar.open_time).to_string(), bar.close))
        .collect();
    let expected = [("2024-06-26", 213.25), ("2024-06-27", 214.1), ("2024-06-28", 210.62)];
    assert_eq!(days, expected.map(|(date, close)| (date.to_owned(), close)));
}

#[test]
fn repeated_and_missing_columns_are_named() {
    let path = Path::new("AAPL.parquet");
    let of = |layout: &Layout<'_, BarFormat>, bytes: &[u8]| {
        let rows = parse(path, bytes.to_vec(), BYTES_MAX, layout, None);
        rows.map(|rows| rows.records.len()).unwrap_err().to_string()
    };
    let aliases = [("close".to_owned(), "note".to_owned())];
    let (_, plain) = PLAIN;
    let twice = of(&Layout { aliases: &aliases, ..of_minutes() }, plain);
    assert_eq!(twice, "AAPL.parquet: column `close` is named twice");
    let (_, days) = DAYS;
    let absent = of(&of_minutes(), days);
    let expected = "AAPL.parquet: column `time` is missing; the header must name time, open";
    assert!(absent.starts_with(expected), "{absent}");
}
