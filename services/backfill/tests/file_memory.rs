//! Memory of reading a bar file of the maximum size. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use backfill::config::{ExecutorSection, SourceKind};
use backfill::sources::{Files, Source, memory_parts};
use chassis::ManualClock;
use domain::calendar::{Date, day_open};
use domain::{Interval, Symbol, Timeframe, Timestamp};
use integration::status_bytes;

/// Of a file; a larger one is rejected.
const FILE_BYTES: usize = 8 << 20;

/// Rows of ten years: a chunk has no more bars.
const ROWS: usize = 3_660;

/// Writes a file of the maximum size whose rows have a column that is not read. Piece by piece: freed memory would hide that of the source.
fn write_many_rows(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let padding = "x".repeat(FILE_BYTES / ROWS - 60);
    writeln!(file, "date,open,high,low,close,volume,note").unwrap();
    let mut date: Date = "2010-01-01".parse().unwrap();
    for _ in 0..ROWS {
        writeln!(file, "{date},1,1,1,1,10,{padding}").unwrap();
        date = date.tomorrow().unwrap();
    }
}

/// Writes a file of the maximum size whose second row is almost all of it.
fn write_one_row(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let head = "date,open,high,low,close,volume,note\n2010-01-04,1,1,1,1,10,\n2010-01-05,1,1,1,1,10,\"";
    write!(file, "{head}").unwrap();
    for _ in 0..(FILE_BYTES - head.len()) / 64 {
        write!(file, "{}", "x".repeat(60)).unwrap();
    }
    writeln!(file, "\"").unwrap();
}

#[test]
fn file_of_maximum_size_uses_the_memory_that_is_summed() {
    let executor = ExecutorSection { running_max: 1, workers_max: 1, ..ExecutorSection::default() };
    let summed: u64 = memory_parts(SourceKind::Csv, &executor).iter().map(|part| part.bytes).sum();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(i64::MAX / 4).micros()));
    let source = Files::of_day_bars(folder.path().to_path_buf(), clock);
    let [start, end] = ["2010-01-01", "2020-01-01"].map(|text| day_open(text.parse::<Date>().unwrap()));
    let range = Interval::new(start, end).unwrap();
    let file = |name: &str| folder.path().join(format!("{name}.csv"));
    write_many_rows(&file("ROWS"));
    write_one_row(&file("ROW"));
    let before = status_bytes("VmRSS").unwrap();
    for name in ["ROWS", "ROW"] {
        let bars = source.bars(Symbol::parse(name).unwrap(), Timeframe::Day1, range).unwrap().records;
        let used = status_bytes("VmHWM").unwrap().saturating_sub(before);
        println!("{name}: {} bars, {used} of {summed} bytes", bars.len());
        assert!((summed / 3..=summed).contains(&used), "{name}: {used} of {summed} bytes");
    }
}
