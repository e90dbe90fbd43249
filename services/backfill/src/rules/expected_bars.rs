//! Expected bars: whether the exchange was open in a range.

use domain::calendar::{Date, date_of, day_open, is_session, session_close};
use domain::{Interval, Timeframe};

/// The time from midnight to the start of the regular session, 09:30.
const SESSION_START_MICROS: i64 = 34_200_000_000;

/// Returns `true` if a bar of this timeframe should open within `range`, by the calendar of the exchange: a day bar at the start of a
/// session's date, any other during the session. Trading before and after the session is optional.
#[must_use]
pub fn expects_bar(timeframe: Timeframe, range: Interval) -> bool {
    let last = date_of(range.last());
    let mut date = date_of(range.start());
    loop {
        if is_session(date) && has_bar(timeframe, date, range) {
            return true;
        }
        match date.tomorrow() {
            Ok(tomorrow) if tomorrow <= last => date = tomorrow,
            _ => return false,
        }
    }
}

fn has_bar(timeframe: Timeframe, date: Date, range: Interval) -> bool {
    let open = day_open(date);
    if timeframe.minutes().is_none() {
        return range.contains(open);
    }
    // Clocks change on Sundays, which have no session.
    let session = Interval::new(open.saturating_add_micros(SESSION_START_MICROS), session_close(date));
    session.is_ok_and(|session| session.intersection(range).is_some())
}

#[cfg(test)]
mod tests {
    use domain::{Interval, Timeframe, Timestamp};

    use super::expects_bar;

    fn range(start: &str, end: &str) -> Interval {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        Interval::new(at(start), at(end)).unwrap()
    }

    #[test]
    fn day_bar_is_expected_at_the_start_of_a_session_date() {
        let day = |start, end| expects_bar(Timeframe::Day1, range(start, end));
        // Friday 2024-03-15 to Monday 2024-03-18.
        assert!(day("2024-03-15T04:00:00Z", "2024-03-15T04:00:01Z"));
        assert!(!day("2024-03-15T04:00:01Z", "2024-03-18T04:00:00Z"));
        assert!(day("2024-03-15T04:00:01Z", "2024-03-18T04:00:01Z"));
        assert!(!day("2024-03-28T20:00:00Z", "2024-04-01T04:00:00Z"), "Good Friday");
    }

    #[test]
    fn shorter_bar_is_expected_during_a_session() {
        let minute = |start, end| expects_bar(Timeframe::Minute1, range(start, end));
        assert!(!minute("2024-03-15T04:00:00Z", "2024-03-15T13:30:00Z"));
        assert!(minute("2024-03-15T13:30:00Z", "2024-03-15T13:31:00Z"));
        assert!(minute("2024-03-15T19:59:00Z", "2024-03-16T00:00:00Z"));
        assert!(!minute("2024-03-15T20:00:00Z", "2024-03-18T13:30:00Z"));
    }
}
