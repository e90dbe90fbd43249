//! Files with wrong dates: a range is unknown where the file lacks a bar for a wrong date.

use domain::calendar::{Date, day_open};
use domain::{Interval, Timestamp};
use jiff::ToSpan;
use proptest::prelude::*;

use super::super::*;

/// Wrong dates of a file.
#[derive(Debug, Clone, Copy)]
enum Corruption {
    /// A row has this date, in days since the first.
    Moved(i64),
    Future,
    Unreadable,
    /// A row has the place of another.
    Swapped(usize),
}

fn date(day: i64) -> Date {
    Date::constant(2024, 2, 1).saturating_add(day.days())
}

/// A valid row with this date, whose prices identify it.
fn row(date: impl std::fmt::Display, price: usize) -> String {
    format!("{date},{price},{price},{price},{price},1\n")
}

/// The rows of bars of these days, one of them with a corruption. `None` if the corruption cannot be seen: the dates are ascending.
fn rows_with(days: &[i64], index: usize, corruption: Corruption) -> Option<String> {
    let mut rows: Vec<(Option<i64>, String)> =
        days.iter().enumerate().map(|(price, day)| (Some(*day), row(date(*day), price + 1))).collect();
    match corruption {
        Corruption::Moved(day) => rows[index] = (Some(day), row(date(day), index + 1)),
        Corruption::Future => rows[index] = (Some(i64::MAX), row("2204-02-01", index + 1)),
        Corruption::Unreadable => rows[index] = (None, row("?", index + 1)),
        Corruption::Swapped(other) => rows.swap(index, other % days.len()),
    }
    let dated: Option<Vec<i64>> = rows.iter().map(|(day, _)| *day).collect();
    let is_hidden = matches!(corruption, Corruption::Moved(_) | Corruption::Swapped(_))
        && dated.is_some_and(|dated| dated.is_sorted_by(|a, b| a < b));
    let header = "date,open,high,low,close,volume\n".to_owned();
    (!is_hidden).then(|| rows.into_iter().fold(header, |text, (_, row)| text + &row))
}

fn read_days(text: &str, first: i64, last: i64) -> Result<RangeOfFile<Bar>, CsvError> {
    let range = Interval::from_inclusive(day_open(date(first)), day_open(date(last))).unwrap();
    let now = day_open(Date::constant(2024, 7, 10));
    parse(
        Path::new("AAPL.csv"),
        text.as_bytes(),
        &Layout::of_one_symbol(BarFormat::of_days()),
        Some(Excerpt { range, now }),
    )
}

fn corruption() -> impl Strategy<Value = Corruption> {
    prop_oneof![
        3 => (-10_i64..60).prop_map(Corruption::Moved),
        1 => Just(Corruption::Future),
        1 => Just(Corruption::Unreadable),
        1 => (0_usize..20).prop_map(Corruption::Swapped),
    ]
}

/// Ascending days, one to four days apart.
fn days() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(1_i64..5, 3..12).prop_map(|steps| {
        let ascending = steps.iter().scan(0, |day, step| {
            *day += step;
            Some(*day)
        });
        ascending.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn known_times_of_a_range_have_every_bar(
        days in days(),
        index in any::<prop::sample::Index>(),
        corruption in corruption(),
        first in -5_i64..50,
        length in 0_i64..20,
    ) {
        let index = index.index(days.len());
        let Some(text) = rows_with(&days, index, corruption) else { return Ok(()) };
        match read_days(&text, first, first + length) {
            Ok(RangeOfFile { records: bars, last, unknown, .. }) => {
                let is_known = |time: Timestamp| time <= last && !unknown.contains(time);
                let expected: Vec<_> = (1_i32..)
                    .zip(&days)
                    .map(|(price, day)| (day_open(date(*day)), f64::from(price)))
                    .filter(|(open_time, _)| (day_open(date(first))..=day_open(date(first + length))).contains(open_time))
                    .filter(|(open_time, _)| is_known(*open_time))
                    .collect();
                let read: Vec<_> = bars
                    .iter()
                    .map(|bar| (bar.open_time, bar.close))
                    .filter(|(open_time, _)| is_known(*open_time))
                    .collect();
                prop_assert_eq!(read, expected, "{} {:?}", text, date(first));
            }
            Err(error) => prop_assert!(matches!(error, CsvError::InvalidRows { .. }), "{error:?}"),
        }
    }

    #[test]
    fn file_without_wrong_dates_is_read_everywhere(
        days in days(),
        first in -5_i64..50,
        length in 0_i64..20,
    ) {
        let rows = days.iter().map(|day| row(date(*day), 1)).collect::<String>();
        let text = format!("date,open,high,low,close,volume\n{rows}");
        let part = read_days(&text, first, first + length).unwrap();
        let count = days.iter().filter(|day| (first..=first + length).contains(*day)).count();
        prop_assert_eq!(part.records.len(), count);
    }
}

/// The lines that the error of a range names. Empty without an error.
fn lines(days_of_rows: &[Option<i64>], first: i64, last: i64) -> Vec<u64> {
    let rows = days_of_rows.iter().map(|day| day.map_or_else(|| row("?", 1), |day| row(date(day), 1)));
    let text = rows.fold("date,open,high,low,close,volume\n".to_owned(), |text, row| text + &row);
    match read_days(&text, first, last) {
        Ok(RangeOfFile { invalid: rows, .. }) | Err(CsvError::InvalidRows { rows, .. }) => {
            rows.iter().map(|row| row.line).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn date_that_goes_back_concerns_the_places_of_both_rows() {
    // The row of line 4 is that of day 2 or 3, or the row of line 5 that of a day after 30.
    let rows = [1, 2, 30, 4, 40].map(Some);
    for (first, last, named) in [
        (1, 2, vec![]),
        (3, 3, vec![5]),
        (4, 4, vec![5]),
        (5, 29, vec![]),
        (30, 30, vec![5]),
        (31, 39, vec![5]),
        (40, 50, vec![]),
    ] {
        assert_eq!(lines(&rows, first, last), named, "{first} to {last}");
    }
}

#[test]
fn row_without_a_date_is_placed_after_a_date_that_goes_back() {
    let rows = [Some(1), Some(30), Some(4), None, Some(40)];
    assert_eq!(lines(&rows, 5, 5), [5]);
    assert_eq!(lines(&rows, 2, 5), [4, 5], "by line");
    assert_eq!(lines(&[Some(1), None, Some(30), Some(4), Some(40)], 5, 5), [3]);
    assert_eq!(lines(&rows, 41, 42), [0; 0]);
}
