//! Expected bars: whether the exchange was open in a range, and how the bars of a source differ from its sessions.

use domain::calendar::{Date, date_of, day_open, is_session, session_close};
use domain::{Bar, Interval, Timeframe};
use kit::SaturatingFrom;

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

/// Returns the number of sessions in `range` without a day bar in `bars`, and the number of day bars without a session. The bars are in
/// ascending order and open within the range.
#[must_use]
pub fn day_bar_defects(range: Interval, bars: &[Bar]) -> (i64, i64) {
    let has_session = |bar: &&Bar| is_session(date_of(bar.open_time));
    let of_sessions = bars.iter().filter(has_session).count();
    let dates = std::iter::successors(Some(date_of(range.start())), |date| date.tomorrow().ok());
    let dates = dates.take_while(|date| day_open(*date) < range.end());
    let sessions = dates.filter(|date| is_session(*date) && range.contains(day_open(*date))).count();
    let count = |number: usize| i64::saturating_from(number);
    (count(sessions.saturating_sub(of_sessions)), count(bars.len() - of_sessions))
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
    use domain::{Bar, Interval, Timeframe, Timestamp};

    use super::{day_bar_defects, expects_bar};

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
    fn day_bars_and_sessions_that_differ_are_counted() {
        let bar = |open: &str| {
            let open_time = Timestamp::parse(open).unwrap();
            Bar { open_time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 }
        };
        // Thursday 2024-03-14 to Monday 2024-03-18, whose bar opens after the range.
        let week = range("2024-03-14T04:00:00Z", "2024-03-18T04:00:00Z");
        let (friday, saturday) = (bar("2024-03-15T04:00:00Z"), bar("2024-03-16T04:00:00Z"));
        assert_eq!(day_bar_defects(week, &[]), (2, 0));
        assert_eq!(day_bar_defects(week, &[friday, saturday]), (1, 1));
        assert_eq!(day_bar_defects(range("2024-03-14T04:00:01Z", "2024-03-16T04:00:00Z"), &[friday]), (0, 0));
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
