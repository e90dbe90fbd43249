//! Calendar of the New York Stock Exchange (XNYS): sessions, half days, and close times of bars.
//!
//! Valid from 1998, when the present holidays began, and compared with `exchange_calendars` in `tests/calendar.rs`. Exceptional
//! closures are a table in `holidays`; later dates follow the rules only.

mod holidays;
mod trading_hours;

use std::sync::LazyLock;

use jiff::civil::Time;
use jiff::tz::TimeZone;

/// A date without a time of day.
pub use jiff::civil::Date;
/// A date and a time of day, without a time zone.
pub use jiff::civil::DateTime;

pub use holidays::{is_half_day, is_holiday_by_rule, is_session, is_session_by_rule, is_weekday};
pub use trading_hours::TradingHours;

use crate::timeframe::Timeframe;
use crate::timestamp::Timestamp;

static NEW_YORK: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZone::get("America/New_York").expect("the bundled time zone database contains America/New_York")
});

/// Returns the start of the date in New York, at which its day bar opens.
#[must_use]
pub fn day_open(date: Date) -> Timestamp {
    instant(date, 0)
}

/// Returns the end of trading on the date: 16:00 in New York, 13:00 on a half day.
///
/// A date without a session has the close that a session would have: a day bar with such a date closes then.
#[must_use]
pub fn session_close(date: Date) -> Timestamp {
    instant(date, if is_half_day(date) { 13 } else { 16 })
}

/// Returns the date and the time of day in New York.
#[must_use]
pub fn local_time(at: Timestamp) -> DateTime {
    NEW_YORK.to_datetime(at.to_jiff())
}

/// Returns the date in New York.
#[must_use]
pub fn date_of(at: Timestamp) -> Date {
    local_time(at).date()
}

/// Returns the close of a bar that opened at `open_time`: a day bar closes with its session, any other after its minutes.
#[must_use]
pub fn bar_close(timeframe: Timeframe, open_time: Timestamp) -> Timestamp {
    match timeframe.minutes() {
        Some(minutes) => open_time.saturating_add_micros(minutes * 60_000_000),
        None => session_close(date_of(open_time)),
    }
}

/// Returns an hour of the date in New York. Daylight saving changes at 02:00 and skips or repeats none of the hours used here.
fn instant(date: Date, hour: i8) -> Timestamp {
    let wall = date.to_datetime(Time::constant(hour, 0, 0, 0));
    let limit = if date.year() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    Timestamp::from_jiff(NEW_YORK.to_timestamp(wall).unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::{bar_close, date_of, day_open, session_close};
    use crate::timeframe::Timeframe;
    use crate::timestamp::Timestamp;

    #[test]
    fn day_opens_at_midnight_in_new_york_in_winter_and_summer() {
        assert_eq!(day_open(date(2024, 1, 16)).to_string(), "2024-01-16T05:00:00Z");
        assert_eq!(day_open(date(2024, 7, 16)).to_string(), "2024-07-16T04:00:00Z");
    }

    #[test]
    fn day_of_a_clock_change_has_23_or_25_hours() {
        let hours = |from, to| day_open(to).micros_since(day_open(from)) / 3_600_000_000;
        assert_eq!(hours(date(2024, 3, 10), date(2024, 3, 11)), 23);
        assert_eq!(hours(date(2024, 11, 3), date(2024, 11, 4)), 25);
    }

    #[test]
    fn half_day_closes_at_13_00() {
        assert_eq!(session_close(date(2024, 11, 27)).to_string(), "2024-11-27T21:00:00Z");
        assert_eq!(session_close(date(2024, 11, 29)).to_string(), "2024-11-29T18:00:00Z");
    }

    #[test]
    fn bar_closes_with_its_session_or_after_its_minutes() {
        let open = day_open(date(2024, 3, 15));
        assert_eq!(bar_close(Timeframe::Day1, open).to_string(), "2024-03-15T20:00:00Z");
        let nine_thirty = Timestamp::parse("2024-03-15T13:30:00Z").unwrap();
        assert_eq!(bar_close(Timeframe::Minute1, nine_thirty).to_string(), "2024-03-15T13:31:00Z");
        assert_eq!(bar_close(Timeframe::Minute5, nine_thirty).to_string(), "2024-03-15T13:35:00Z");
        assert_eq!(bar_close(Timeframe::Hour1, nine_thirty).to_string(), "2024-03-15T14:30:00Z");
    }

    #[test]
    fn instants_outside_the_calendar_are_clamped() {
        assert!(date_of(Timestamp::from_micros(i64::MAX)).year() >= 9998);
        assert!(date_of(Timestamp::from_micros(i64::MIN)).year() <= -9998);
        assert!(day_open(super::Date::MIN) < day_open(super::Date::MAX));
    }

    proptest! {
        #[test]
        fn instant_is_within_the_day_of_its_date(micros in 0_i64..4_000_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            let day = date_of(at);
            prop_assert!(day_open(day) <= at && at < day_open(day.tomorrow().unwrap()));
        }
    }
}
