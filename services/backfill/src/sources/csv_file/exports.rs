//! Files as they are exported and downloaded: what is read, and what the error names.

use domain::calendar::date_of;

use super::*;

const GOOD: &str = "Date,Open,High,Low,Close,Volume
2003-01-02,20.00,21.00,19.00,20.50,1000000
2003-01-03,22.59,23.59,21.59,23.09,2260000
2003-01-06,20.37,21.37,19.37,20.87,1990000
2003-01-07,22.96,23.96,21.96,23.46,1720000
";

/// The result of a file.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The number of bars, and the date, close and volume of the first.
    Bars(usize, &'static str, f64, f64),
    /// The start of the error, after the path.
    Error(&'static str),
}

use Expected::{Bars, Error};

fn assert_read(name: &str, content: &[u8], expected: Expected) {
    let result = parse(Path::new("AAPL.csv"), content, &Layout::of_one_symbol(BarFormat::of_days()), None);
    match (result, expected) {
        (Ok(part), Bars(count, date, close, volume)) => {
            let first = part.records[0];
            let read = (part.records.len(), date_of(first.open_time).to_string(), first.close, first.volume);
            assert_eq!(read, (count, date.to_owned(), close, volume), "{name}");
        }
        (Err(error), Error(start)) => {
            let error = error.to_string();
            let text = error.strip_prefix("AAPL.csv:").unwrap_or_default();
            assert!(text.starts_with(start), "{name}: {error}");
        }
        (Ok(part), Error(_)) => panic!("{name}: {} bars", part.records.len()),
        (Err(error), Bars(..)) => panic!("{name}: {error}"),
    }
}

const NO_DATE: Expected = Error("1: column `date` is missing; the header must name date, open,");

#[test]
fn dates_and_numbers_are_read_or_named() {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let after_header = |row: &str| with("Volume\n", &format!("Volume\n{row}\n"));
    let four = |date| Bars(4, date, 20.5, 1_000_000.0);
    let offset = ["02", "03", "06", "07"].iter().fold(GOOD.to_owned(), |text, day| {
        text.replace(&format!("-{day},"), &format!("-{day} 00:00:00-05:00,"))
    });
    for (name, content, expected) in [
        ("as it should be", GOOD.to_owned(), four("2003-01-02")),
        ("compact date", with("2003-01-0", "2003010"), four("2003-01-02")),
        ("date with offset", offset, four("2003-01-02")),
        (
            "date in UTC",
            with("2003-01-02", "2003-01-02T05:00:00Z"),
            Error("2: date: `2003-01-02T05:00:00Z` is not a date (YYYY-MM-DD)"),
        ),
        (
            "month first",
            with("2003-01-02", "01/02/2003"),
            Error("2: date: `01/02/2003` is not a date (YYYY-MM-DD)"),
        ),
        (
            "weekend",
            "Date,Open,High,Low,Close,Volume\n2003-01-04,20,21,19,20.5,10\n2003-01-05,20,21,19,20,10\n"
                .to_owned(),
            Bars(2, "2003-01-04", 20.5, 10.0),
        ),
        ("year 0", after_header("0000-01-03,1,1,1,1,5"), Bars(5, "0000-01-03", 1.0, 5.0)),
        ("year 1", after_header("0001-01-03,1,1,1,1,5"), Bars(5, "0001-01-03", 1.0, 5.0)),
        ("huge volume", with("1000000", "1e308"), Bars(4, "2003-01-02", 20.5, 1e308)),
        ("volume in thousands", with("1000000", "68.18K"), Error("2: volume: `68.18K` is not a number")),
        ("quoted thousands", with("22.59", "\"1,234.56\""), Error("3: open: `1,234.56` is not a number")),
        (
            "split as a row",
            with("2003-01-06", "\"Jan 04, 2003\",2:1 Stock Splits,,,,\n2003-01-06"),
            Error("4: date: `Jan 04, 2003` is not a date (YYYY-MM-DD)"),
        ),
        ("NUL bytes at the end", format!("{GOOD}{}\n", "\0".repeat(64)), Error("6: date: `\\0\\0\\0")),
    ] {
        assert_read(name, content.as_bytes(), expected);
    }
}

#[test]
fn header_of_another_format_is_named() {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let header = |names: &str, row: &str| format!("{names}\n{row}\n");
    let utf16: Vec<u8> = format!("\u{feff}{GOOD}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, content, expected) in [
        ("UTF-16", utf16, Error(" file is UTF-16 text, expected CSV in UTF-8")),
        (
            "gzip",
            b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
            Error(" file is compressed (gzip), expected CSV in UTF-8"),
        ),
        (
            "Nasdaq",
            header("Date,Close/Last,Volume,Open,High,Low", "01/07/2003,$23.46,1720000,$22.96,$23.96,$21.96")
                .into(),
            Error("1: column `close` is missing"),
        ),
        (
            "three headers",
            with("Date,Open,", "Price,Open,")
                .replace("Volume\n", "Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n")
                .into(),
            NO_DATE,
        ),
        (
            "Stooq",
            header(
                "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
                "AAPL.US,D,20030102,000000,20.00,21.00,19.00,20.50,1000000,0",
            )
            .into(),
            NO_DATE,
        ),
        (
            "LFS pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n".to_vec(),
            NO_DATE,
        ),
        ("decimal comma", with(",", ";").replace('.', ",").into(), NO_DATE),
        ("tabs", with(",", "\t").into(), NO_DATE),
        ("Polygon", header("t,o,h,l,c,v", "1041483600000,20,21,19,20.5,1000000").into(), NO_DATE),
        (
            "Alpaca",
            header(
                "timestamp,open,high,low,close,volume,trade_count,vwap",
                "2003-01-02T05:00:00Z,20,21,19,20.5,1000000,10,20.2",
            )
            .into(),
            NO_DATE,
        ),
        ("line before the header", format!("Disclaimer: data may be delayed.\n{GOOD}").into(), NO_DATE),
    ] {
        assert_read(name, &content, expected);
    }
}
