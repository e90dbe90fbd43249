//! Sessions, half days and holidays of the exchange.
//!
//! The rules are those of the exchange (NYSE Rule 7.2 and its yearly notices), as implemented by `exchange_calendars`.

use jiff::civil::{Date, Weekday, date};

/// Exceptional closures, 2000 to 2026.
const CLOSED: [Date; 10] = [
    date(2001, 9, 11), // the attacks on New York
    date(2001, 9, 12),
    date(2001, 9, 13),
    date(2001, 9, 14),
    date(2004, 6, 11),  // mourning for Reagan
    date(2007, 1, 2),   // for Ford
    date(2012, 10, 29), // hurricane Sandy
    date(2012, 10, 30),
    date(2018, 12, 5), // for George H. W. Bush
    date(2025, 1, 9),  // for Carter
];

/// Exceptional half days, from 1998.
const HALF: [Date; 2] = [date(1999, 12, 31), date(2003, 12, 26)];

/// Returns `true` if the exchange trades on this date.
#[must_use]
pub fn is_session(date: Date) -> bool {
    is_session_by_rule(date) && !CLOSED.contains(&date)
}

/// Returns `true` if the exchange trades on this date unless it closes exceptionally, which is not known in advance.
#[must_use]
pub fn is_session_by_rule(date: Date) -> bool {
    is_weekday(date) && !is_holiday_by_rule(date)
}

/// Returns `true` if trading ends at 13:00 on this date.
#[must_use]
pub fn is_half_day(date: Date) -> bool {
    is_session(date) && (is_half_by_rule(date) || HALF.contains(&date))
}

/// Returns `true` if a rule closes the exchange on this date. The weekday is not considered otherwise.
#[must_use]
pub fn is_holiday_by_rule(day: Date) -> bool {
    let weekday = day.weekday();
    match (day.month(), day.day()) {
        // New Year's Day: observed on the Monday after a Sunday; not observed if it is a Saturday.
        (1, 1) => true,
        (1, 2) => weekday == Weekday::Monday,
        (1, 15..=21) => weekday == Weekday::Monday && day.year() >= 1998, // Martin Luther King
        (2, 15..=21) => weekday == Weekday::Monday,                       // Presidents
        (5, 25..=31) => weekday == Weekday::Monday,                       // Memorial
        (6, 18..=20) => day.year() >= 2022 && is_observed(day, date(day.year(), 6, 19)), // Juneteenth
        (7, 3..=5) => is_observed(day, date(day.year(), 7, 4)),           // Independence
        (9, 1..=7) => weekday == Weekday::Monday,                         // Labor
        (11, 22..=28) => weekday == Weekday::Thursday,                    // Thanksgiving
        (12, 24..=26) => is_observed(day, date(day.year(), 12, 25)),      // Christmas
        (3 | 4, _) => is_good_friday(day),
        _ => false,
    }
}

fn is_half_by_rule(day: Date) -> bool {
    let weekday = day.weekday();
    match (day.month(), day.day()) {
        // The day before Independence Day. Before 2013 not a Wednesday; the Friday after a Thursday holiday was the half day instead.
        (7, 3) => weekday != Weekday::Wednesday || day.year() >= 2013,
        (7, 5) => weekday == Weekday::Friday && day.year() < 2013,
        (11, 23..=29) => weekday == Weekday::Friday, // after Thanksgiving
        // If 24 December is a Friday, it is a holiday, observed for Christmas on Saturday.
        (12, 24) => true,
        _ => false,
    }
}

/// Returns `true` from Monday to Friday.
#[must_use]
pub fn is_weekday(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Returns `true` if a holiday with a fixed date is observed on `day`: a Saturday's on the Friday before, a Sunday's on the Monday after.
fn is_observed(day: Date, holiday: Date) -> bool {
    let observed = match holiday.weekday() {
        Weekday::Saturday => holiday.yesterday(),
        Weekday::Sunday => holiday.tomorrow(),
        _ => Ok(holiday),
    };
    day == holiday || observed.is_ok_and(|observed| day == observed)
}

fn is_good_friday(day: Date) -> bool {
    let in_two_days = day.tomorrow().and_then(Date::tomorrow);
    day.weekday() == Weekday::Friday && in_two_days.is_ok_and(|sunday| sunday == easter(day.year()))
}

/// Returns Easter Sunday of the Gregorian calendar: the Sunday after the ecclesiastical full moon on or after 21 March.
///
/// The age of the moon follows the 19-year cycle with the Gregorian corrections for century years (solar) and for the moon's drift of
/// eight days in 2,500 years (lunar); see Knuth, The Art of Computer Programming, volume 1, 1.3.2, exercise 14.
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let golden = year.rem_euclid(19) + 1;
    let century = year.div_euclid(100) + 1;
    let solar = 3 * century / 4 - 12;
    let lunar = (8 * century + 5) / 25 - 5;
    let mut epact = (11 * golden + 20 + lunar - solar).rem_euclid(30);
    if (epact == 25 && golden > 11) || epact == 24 {
        epact += 1;
    }
    let mut full_moon = 44 - epact; // as a day of March
    if full_moon < 21 {
        full_moon += 30;
    }
    let first_of_march = date(i16::try_from(year).unwrap_or(i16::MAX), 3, 1);
    let moon = first_of_march.saturating_add(jiff::Span::new().days(full_moon - 1));
    let to_sunday = 7 - i32::from(moon.weekday().to_sunday_zero_offset());
    moon.saturating_add(jiff::Span::new().days(to_sunday))
}

#[cfg(test)]
mod tests {
    use super::{date, easter, is_half_day, is_holiday_by_rule, is_session};

    #[test]
    fn easter_is_on_its_known_dates() {
        for (year, month, day) in
            [(1998, 4, 12), (2000, 4, 23), (2008, 3, 23), (2011, 4, 24), (2024, 3, 31), (2038, 4, 25)]
        {
            assert_eq!(easter(year), date(year, month, day));
        }
    }

    #[test]
    fn new_year_on_saturday_is_not_observed() {
        assert!(is_session(date(2021, 12, 31)));
        assert!(is_session(date(2022, 1, 3)));
        assert!(!is_session(date(2023, 1, 2))); // the Monday after a Sunday
    }

    #[test]
    fn exceptional_closure_is_not_a_rule() {
        assert!(!is_session(date(2025, 1, 9)));
        assert!(!is_holiday_by_rule(date(2025, 1, 9)));
    }

    #[test]
    fn closed_day_is_not_a_half_day() {
        assert!(!is_session(date(2027, 12, 24)) && !is_half_day(date(2027, 12, 24)));
        assert!(!is_half_day(date(2021, 7, 3))); // a Saturday
    }
}
