//! Files of day bars: growing, half-written, absent and invalid ones.

use super::*;

const HEADER: &str = "date,open,high,low,close,volume\n";

fn day(day: i8) -> Timestamp {
    day_open(Date::constant(2004, 1, day))
}

/// The first days of January 2004, until the bar of `to`.
fn days(from: i8, to: i8) -> Interval {
    Interval::from_inclusive(day(from), day(to)).unwrap()
}

fn source_of(folder: &Path) -> Files {
    Files::of_day_bars(folder.to_path_buf(), clock())
}

fn folder_with(text: &str) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("AAPL.csv"), text).unwrap();
    let source = source_of(folder.path());
    (folder, source)
}

fn error_of(source: &Files, range: Interval) -> SourceError {
    source.bars(aapl(), Timeframe::Day1, range).unwrap_err()
}

#[test]
fn only_bars_that_open_within_the_range_are_returned() {
    let rows = "2004-01-02,1,1,1,1,10\n2004-01-05,2,2,2,2,10\n2004-01-06,3,3,3,3,10\n";
    let (_folder, source) = folder_with(&format!("{HEADER}{rows}"));
    let part = source.bars(aapl(), Timeframe::Day1, days(2, 5)).unwrap();
    assert_eq!(part.records.iter().map(|bar| bar.open).collect::<Vec<_>>(), [1.0, 2.0]);
}

#[test]
fn horizon_follows_the_last_bar_of_a_growing_file() {
    let (folder, source) = folder_with(&format!("{HEADER}2004-01-02,1,1,1,1,10\n"));
    let horizon = |source: &Files| source.bars(aapl(), Timeframe::Day1, days(2, 9)).unwrap().horizon;
    assert_eq!(horizon(&source), day(2).saturating_add_micros(1));
    let grown = format!("{HEADER}2004-01-02,1,1,1,1,10\n2004-01-06,1,1,1,1,10\n");
    std::fs::write(folder.path().join("AAPL.csv"), grown).unwrap();
    assert_eq!(horizon(&source), day(6).saturating_add_micros(1));
}

/// Opens the file of AAPL to append, changed this number of seconds ago.
fn changed_file(folder: &Path, seconds_ago: u64) -> std::fs::File {
    let file = std::fs::File::options().append(true).open(folder.join("AAPL.csv")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(NOW_SECONDS - seconds_ago)).unwrap();
    file
}

/// The number of seconds from now until a file that is being written may be read, and the text of its error.
fn being_written(source: &Files) -> (i64, String) {
    let error = error_of(source, days(2, 5));
    let SourceError::BeingWritten { until, .. } = &error else { panic!("{error:?}") };
    let now = Timestamp::from_micros(source.clock.wall_micros());
    (until.micros_since(now) / 1_000_000, ErrorChain(&error).to_string())
}

#[test]
fn half_written_row_names_the_time_of_the_next_reading() {
    let (folder, source) = folder_with(&format!("{HEADER}2004-01-02,9,11,9,10,10\n2004-01-05,9,11,9,10,1"));
    let file = changed_file(folder.path(), 1);
    let (seconds, error) = being_written(&source);
    assert_eq!(seconds, 9);
    let text = "AAPL.csv: its last line has no line end, and the file was changed less than 10 s ago";
    assert!(error.ends_with(text), "{error}");
    std::io::Write::write_all(&mut &file, b"000000\n").unwrap();
    let part = source.bars(aapl(), Timeframe::Day1, days(2, 5)).unwrap();
    assert_eq!(part.records[1].volume, 1_000_000.0);
}

#[test]
fn new_file_without_bars_is_being_written() {
    for text in ["", "\n", "\u{feff}", HEADER, &format!("{HEADER}2003-12-31,null,,,,\n")] {
        let (folder, source) = folder_with(text);
        changed_file(folder.path(), 3);
        let (seconds, error) = being_written(&source);
        assert_eq!(seconds, 7, "{text:?}");
        assert!(error.ends_with(", and the file was changed less than 10 s ago"), "{error}");
        changed_file(folder.path(), 10);
        let error = error_of(&source, days(3, 5));
        assert!(matches!(error, SourceError::Permanent { .. }), "{text:?}: {error:?}");
    }
}

#[test]
fn new_file_with_a_wrong_header_is_invalid() {
    let (folder, source) = folder_with("<!DOCTYPE html>\n<html>\n");
    changed_file(folder.path(), 1);
    let error = error_of(&source, days(2, 5));
    assert!(matches!(error, SourceError::Permanent { .. }), "{error:?}");
}

#[test]
fn symbol_without_a_file_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(&source_of(folder.path()), days(2, 5));
    assert!(matches!(error, SourceError::UnknownSymbol { .. }), "{error:?}");
    let text = ErrorChain(&error).to_string();
    assert!(text.starts_with("source csv does not have symbol AAPL: no file "), "{text}");
}

#[test]
fn absent_folder_is_a_temporary_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(&source_of(&folder.path().join("unmounted")), days(2, 5));
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
}

#[test]
fn invalid_content_is_a_permanent_error() {
    for text in ["", HEADER, "date,open\n"] {
        let (_folder, source) = folder_with(text);
        let error = error_of(&source, days(2, 5));
        assert!(matches!(error, SourceError::Permanent { .. }), "{text:?}: {error:?}");
    }
    let (_folder, source) = folder_with(&format!("{HEADER}2004-01-02,1,1,1,null,1\n"));
    let error = error_of(&source, days(2, 5));
    assert!(matches!(error, SourceError::InvalidRange { .. }), "no valid bar: {error:?}");
}
