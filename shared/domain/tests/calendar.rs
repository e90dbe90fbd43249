//! The calendar against `exchange_calendars`: every weekday of 33 years, from the file that `calendar/make_golden.py` writes.

use std::collections::HashMap;

use domain::Date;
use domain::calendar::{date_of, is_half_day, is_session, session_close};
use jiff::civil::date;

const EXCEPTIONS: &str = include_str!("calendar/exceptions.csv");

#[test]
fn sessions_and_closes_equal_exchange_calendars() {
    let exceptions: HashMap<Date, &str> = EXCEPTIONS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(',').expect("a date and a close"))
        .map(|(day, close)| (day.parse().expect("a date"), close))
        .collect();
    assert!(exceptions.len() > 300, "the golden file is truncated");

    let mut day = date(1998, 1, 1);
    while day <= date(2030, 12, 31) {
        let is_weekend = day.weekday().to_monday_zero_offset() >= 5;
        let expected = if is_weekend { "closed" } else { exceptions.get(&day).copied().unwrap_or("16:00") };
        assert_eq!(close_of(day), expected, "{day}");
        day = day.tomorrow().expect("within the range of dates");
    }
}

fn close_of(day: Date) -> String {
    if !is_session(day) {
        return "closed".to_owned();
    }
    let close = session_close(day);
    assert_eq!(date_of(close), day);
    assert_eq!(is_half_day(day), close.micros_since(domain::calendar::day_open(day)) <= 14 * 3_600_000_000);
    let new_york = jiff::tz::TimeZone::get("America/New_York").expect("bundled");
    let wall = new_york.to_datetime(jiff::Timestamp::from_microsecond(close.micros()).expect("in range"));
    format!("{:02}:{:02}", wall.hour(), wall.minute())
}
