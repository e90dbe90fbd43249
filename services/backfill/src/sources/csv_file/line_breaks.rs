//! Files in which a quote hides rows: fields with a line break, in a column that is read or not.

use domain::Interval;
use domain::calendar::{Date, day_open};

use super::*;

const HEADER: &str = "date,open,high,low,close,volume,note\n";

/// The row of a day of January 2004, with this note.
fn row(day: i8, note: &str) -> String {
    format!("2004-01-{day:02},1,1,1,1,1,{note}\n")
}

/// Reads this file, all of it or some days of January 2004, and returns the number of bars or the error without the path.
fn read_text(text: &str, days: Option<(i8, i8)>) -> Result<usize, String> {
    let open = |day| day_open(Date::constant(2004, 1, day));
    let range = |(first, last)| Interval::from_inclusive(open(first), open(last)).ok();
    let now = day_open(Date::constant(2024, 7, 10));
    let excerpt = days.and_then(range).map(|range| Excerpt { range, now });
    parse(Path::new("AAPL.csv"), text.as_bytes(), &Layout::of_one_symbol(BarFormat::of_days()), excerpt)
        .and_then(RangeOfFile::without_invalid)
        .map(|part| part.records.len())
        .map_err(|error| error.to_string().replace("AAPL.csv:", ""))
}

#[test]
fn quote_that_hides_rows_is_named_with_its_line() {
    let spans = |lines| format!("3: quoted field spans {lines} lines, but a row is one line");
    let not_closed = "3: quoted field is not closed".to_owned();
    let first = row(2, "n");
    for (rows, error) in [
        (row(5, "\"n") + &row(6, "n") + &row(7, "n"), &not_closed),
        (row(5, "\"n"), &not_closed),
        (row(5, "\"n").trim_end().to_owned(), &not_closed),
        (row(5, "\"\"\"n"), &not_closed),
        (row(5, "\"") + "\n\n", &not_closed),
        (",,,,,,\"\n".to_owned(), &not_closed),
        (row(5, "\"5in") + &row(6, "n") + &row(7, "5in\"") + &row(8, "n"), &spans(3)),
        (row(5, "\"two\nlines\"") + &row(6, "n"), &spans(2)),
        (row(5, "\"two\r\nlines\"").replace("\"\n", "\"\r\n"), &spans(2)),
        (row(5, "\"two\rlines\""), &spans(2)),
        (",,,,,,\"\n\"\n".to_owned(), &spans(2)),
        (format!("\"{}{}", row(5, "n"), row(6, "n").repeat(3_000)), &not_closed),
    ] {
        assert_eq!(read_text(&format!("{HEADER}{first}{rows}"), None).as_ref(), Err(error), "{rows:.200}");
    }
}

#[test]
fn quote_within_a_line_hides_nothing() {
    for note in ["\"n\"", "5in\"", "\"5\"\"\"", "\"5\"in", "\"a,b\"", "n\"\""] {
        for end in ["", "\n", "\r\n", "\r"] {
            let text = format!("{HEADER}{}{}{end}", row(2, note), row(5, note).trim_end());
            assert_eq!(read_text(&text, None), Ok(2), "{text:?}");
        }
    }
}

#[test]
fn header_with_a_line_break_is_invalid() {
    let text = format!("\n{}{}", HEADER.replace("note", "\"no\nte\""), row(2, "n"));
    assert_eq!(
        read_text(&text, None),
        Err("2: header: quoted field spans 2 lines, but a row is one line".to_owned())
    );
    let text = format!("{}{}", HEADER.replace("note", "\"note"), row(2, "n"));
    assert_eq!(read_text(&text, None), Err("1: header: quoted field is not closed".to_owned()));
}

#[test]
fn hidden_rows_concern_the_ranges_between_their_neighbours() {
    let hidden = row(5, "\"n") + &row(6, "n") + &row(7, "n\"");
    let text = format!("{HEADER}{}{hidden}{}", row(2, "n"), row(8, "n"));
    let spans = Err("3: quoted field spans 3 lines, but a row is one line".to_owned());
    for (days, result) in
        [((1, 2), Ok(1)), ((5, 5), spans.clone()), ((6, 6), spans.clone()), ((7, 9), spans), ((8, 9), Ok(1))]
    {
        assert_eq!(read_text(&text, Some(days)), result, "{days:?}");
    }
    let text = format!("{HEADER}{}{}{}", row(2, "n"), row(5, "\"n"), row(6, "n"));
    let not_closed = Err("3: quoted field is not closed".to_owned());
    for (days, result) in [((1, 2), Ok(1)), ((6, 6), not_closed.clone()), ((20, 30), not_closed)] {
        assert_eq!(read_text(&text, Some(days)), result, "{days:?}");
    }
}
