//! Bar files as exports, spreadsheets and broken downloads produce them.

mod wrong_dates;

use domain::Interval;
use domain::calendar::{Date, day_open};
use kit::ErrorChain;

use super::*;

const HEADER: &str = "date,open,high,low,close,volume\n";

/// Reads a file with this content, all of it or a range of dates, in July 2024.
fn read_text(text: impl AsRef<[u8]>, range: Option<Interval>) -> Result<RangeOfFile<Bar>, CsvError> {
    let now = day_open(Date::constant(2024, 7, 10));
    let excerpt = range.map(|range| Excerpt { range, now });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("AAPL.csv");
    std::fs::write(&path, text).unwrap();
    let (limits, layout) = (Limits::default(), Layout::of_one_symbol(BarFormat::of_days()));
    let content = read_file(&path, limits, excerpt.map(|excerpt| excerpt.now))?;
    read_content(&path, content, limits, &layout, excerpt)
}

/// The error of a file with this content, without the path.
fn error_of(text: impl AsRef<[u8]>) -> String {
    error_within(text, None)
}

/// The error of a range of a file: that of the file, or its invalid rows.
fn error_within(text: impl AsRef<[u8]>, range: Option<Interval>) -> String {
    let read = read_text(text, range).and_then(RangeOfFile::without_invalid);
    let Err(error) = read else { panic!("no error") };
    let error = ErrorChain(&error).to_string();
    let (_, after) = error.split_once("AAPL.csv:").unwrap_or_else(|| panic!("{error} must name the file"));
    after.to_owned()
}

fn dates(first: &str, last: &str) -> Option<Interval> {
    let open = |text: &str| day_open(text.parse::<Date>().unwrap());
    Interval::from_inclusive(open(first), open(last)).ok()
}

#[test]
fn missing_and_repeated_columns_are_named() {
    let error = error_of("date,open,high,low,volume\n2004-01-02,1,1,1,1\n");
    assert!(error.starts_with("1: column `close` is missing"), "{error}");
    let error = error_of("\n\nDate,Open,High,Low,Close,Volume,close\n2004-01-02,1,1,1,1,1,99\n");
    assert_eq!(error, "3: column `close` is named twice");
    assert!(error_of("").starts_with("1: column `date` is missing"));
    assert!(error_of("<!DOCTYPE html>\n<html>\n").starts_with("1: column `date` is missing"));
    let text = "note,date,open,high,low,close,volume,note\nx,2004-01-02,1,1,1,1,1,y\n";
    assert_eq!(read_text(text, None).unwrap().records.len(), 1, "a column that is not read");
}

#[test]
fn header_alone_is_an_error() {
    assert_eq!(error_of(HEADER), " no valid row follows the header");
}

#[test]
fn unreadable_file_is_temporary_and_named_with_the_cause() {
    let error = read_bars(Path::new("/missing/AAPL.csv")).unwrap_err();
    let text = ErrorChain(&error).to_string();
    assert!(text.starts_with("/missing/AAPL.csv: failed to read: No such file"), "{text}");
    assert!(error.is_temporary() && error.is_not_found());
    let error = read_bars(Path::new("/")).unwrap_err();
    assert!(matches!(error, CsvError::NotAFile { .. }) && !error.is_temporary(), "{error:?}");
}

#[test]
fn invalid_field_is_named_with_line_and_column() {
    let text = format!("{HEADER}2004-01-02,1,1,1,1,10\n2004-01-05,1,1,1,1x,10\n");
    assert_eq!(error_of(&text), "3: close: `1x` is not a number");
    for (row, error) in [
        ("2004-01-02,1,1,1,NaN,10", "2: close: `NaN` is not a number"),
        ("2004-01-02,1,1", "2: low: field is missing"),
        ("2 Jan,1,1,1,1,1", "2: date: `2 Jan` is not a date (YYYY-MM-DD)"),
        ("2004-01-02,1,1,1,1,1,9", "2: 7 fields, but the header has 6"),
        ("2004-01-02,0,0,0,0,1", "2: low 0 is not above 0"),
        ("2004-01-02,1,1,-1,1,1", "2: low -1 is not above 0"),
    ] {
        assert_eq!(error_of(format!("{HEADER}{row}\n")), error);
    }
}

#[test]
fn line_numbers_count_every_kind_of_line_end() {
    for (end, blank) in [("\n", "\n\n"), ("\r\n", "\r\n\r\n"), ("\r", "\r\r")] {
        let header = HEADER.trim_end();
        let text = format!("{header}{end}2004-01-02,1,1,1,1,1{end}2004-01-05,1,1,1,oops,1{end}");
        assert_eq!(error_of(&text), "3: close: `oops` is not a number", "{end:?}");
        let text = format!("{blank}{header}{blank}x,1,1,1,1,1{end}");
        assert_eq!(error_of(&text), "5: date: `x` is not a date (YYYY-MM-DD)", "{end:?}");
    }
    let text = "date,open,high,low,close,volume,note\n2004-01-02,1,1,1,1,1,\"two\nlines\"\n2004-01-05,1,1,1,oops,1,x\n";
    assert_eq!(
        error_of(text),
        "2: quoted field spans 2 lines, but a row is one line; line 4: close: `oops` is not a number"
    );
}

#[test]
fn all_invalid_rows_are_listed_up_to_a_bound() {
    let rows =
        |count: i8| (1..=count).map(|day| format!("2004-01-{day:02},null,1,1,1,1\n")).collect::<String>();
    let error = error_of(format!("{HEADER}{}", rows(3)));
    let cause = "open: `null` is not a number";
    assert_eq!(error, format!("2: {cause}; line 3: {cause}; line 4: {cause}"));
    let error = error_of(format!("{HEADER}{}", rows(31)));
    assert_eq!(error.matches(cause).count(), 20);
    assert!(error.ends_with(&format!("21: {cause}; and 11 more rows")), "{error}");
}

#[test]
fn unsorted_and_duplicate_dates_are_rejected() {
    let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-02,1,1,1,1,10\n");
    assert_eq!(error_of(text), "3: date: 2004-01-02 follows 2004-01-05; dates must be ascending");
    let text = format!("{HEADER}2004-01-05,1,1,1,1,10\n2004-01-05,1,1,1,1,10\n");
    assert_eq!(error_of(text), "3: date: duplicate date 2004-01-05");
}

#[test]
fn high_below_low_is_rejected() {
    let error = error_of(format!("{HEADER}2004-01-05,1,0.5,1,1,10\n"));
    assert!(error.starts_with("2: ") && error.contains("high"), "{error}");
}

#[test]
fn invalid_row_outside_the_range_does_not_matter() {
    let text = format!(
        "{HEADER}1999-01-04,null,null,null,null,null\n2023-06-01,10,11,9,10.5,1000\n2023-07-03,-,-,-,-,-\n\
         2023-07-05,1,1,1,1,1\n"
    );
    let june = read_text(&text, dates("2023-06-01", "2023-06-30")).unwrap();
    assert_eq!((june.records.len(), june.records[0].close), (1, 10.5));
    assert_eq!(june.last, day_open(Date::constant(2023, 7, 5)));
    let error = error_within(&text, dates("2023-06-01", "2023-07-03"));
    assert_eq!(error, "4: open: `-` is not a number");
    assert!(error_of(&text).starts_with("2: open: `null` is not a number; line 4: open"));
}

#[test]
fn bar_that_has_not_closed_is_no_end_of_the_file() {
    // The bar of 2024-07-10 closes later on that day.
    let last = "2023-12-28,1,1,1,1,1\n2023-12-29,1,1,1,1,1\n";
    for future in ["2204-01-02", "2024-07-10"] {
        let future = format!("{future},1,1,1,1,1\n");
        for text in [format!("{HEADER}{last}{future}"), format!("{HEADER}{future}{last}")] {
            let july = read_text(&text, dates("2024-07-01", "2024-07-09")).unwrap();
            assert_eq!(
                (july.records.len(), july.last),
                (0, day_open(Date::constant(2023, 12, 29))),
                "{text}"
            );
            let december = read_text(&text, dates("2023-12-28", "2023-12-31")).unwrap();
            assert_eq!(december.records.len(), 2, "{text}");
        }
    }
    // The row may be that of a day before the next row.
    let error =
        error_within(format!("{HEADER}2204-01-02,1,1,1,1,1\n{last}"), dates("2023-12-01", "2023-12-31"));
    assert_eq!(error, "2: date: the record of 2204-01-02 is not complete yet");
    let text = format!("{HEADER}{last}2204-01-02,1,1,1,1,1\n");
    let error = error_within(&text, dates("2204-01-01", "2204-01-03"));
    assert_eq!(error, "4: date: the record of 2204-01-02 is not complete yet");
    assert_eq!(read_text(&text, None).unwrap().records.len(), 3, "all times");
}

#[test]
fn rows_that_go_back_in_time_lower_the_end_of_the_file() {
    let row = |date: &str| format!("{date},1,1,1,1,1\n");
    let end = |dates_of_rows: &[&str]| {
        let rows: String = dates_of_rows.iter().map(|date| row(date)).collect();
        let part = read_text(format!("{HEADER}{rows}"), dates("2024-01-01", "2024-06-30")).unwrap();
        assert_eq!(part.records.len(), 0);
        domain::calendar::date_of(part.last).to_string()
    };
    // A typo of 2023-12-28, which has closed: the file ends in 2023.
    assert_eq!(end(&["2023-12-27", "2024-07-08", "2023-12-29", "2023-12-30"]), "2023-12-29");
    assert_eq!(
        end(&["2023-12-27", "2023-06-28", "2023-12-29", "2024-07-08"]),
        "2024-07-08",
        "a later date follows"
    );
    assert_eq!(end(&["2023-12-27", "2023-12-27"]), "2023-12-27");
}

#[test]
fn row_without_a_date_concerns_the_range_around_it() {
    let text = format!("{HEADER}2004-01-02,1,1,1,1,1\n?,1,1,1,1,1\n2004-01-06,1,1,1,1,1\nend of file\n");
    for (first, last, line) in [
        ("2004-01-02", "2004-01-02", vec![]),
        ("2004-01-02", "2004-01-05", vec![3]),
        ("2004-01-06", "2004-01-06", vec![]),
        ("2004-01-06", "2004-01-07", vec![5]),
        ("2003-01-06", "2004-01-01", vec![]),
    ] {
        let part = read_text(&text, dates(first, last)).unwrap();
        let named: Vec<u64> = part.invalid.iter().map(|row| row.line).collect();
        assert_eq!(named, line, "{first} {last}");
    }
}

#[test]
fn bad_bytes_in_unread_columns_do_not_matter() {
    let mut text = b"date,open,high,low,close,volume,Note\n2004-01-02,1,1,1,1,1,caf\xe9\n".to_vec();
    assert_eq!(read_text(&text, None).unwrap().records.len(), 1);
    text.extend(b"2004-01-05,1,1,1,1\xe9,1,x\n");
    assert_eq!(error_of(&text), "3: close: `1\u{fffd}` is not a number");
}

#[test]
fn rows_without_content_are_skipped() {
    let row = "2004-01-02,1,1,1,1,1\n";
    for end in ["\n\n   \n", ",,,,,\n,,,,,\n", "\r\n"] {
        assert_eq!(read_text(format!("{HEADER}{row}{end}"), None).unwrap().records.len(), 1, "{end:?}");
    }
}

#[test]
fn byte_order_mark_and_other_columns_are_accepted() {
    let text = "\u{feff}Ticker,Date,Open,High,Low,Close,Adj Close,Volume\nAAPL,2004-01-02,1,1,1,1,0.5,7\n";
    assert_eq!(read_text(text, None).unwrap().records[0].volume, 7.0);
}
