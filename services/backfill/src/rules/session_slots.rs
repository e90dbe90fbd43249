//! Slots: the times at which bars open in the regular session of a date, by the calendar of the exchange.

use domain::calendar::{Date, day_open, is_session, session_close};
use domain::{Timeframe, Timestamp};

const HOUR_MICROS: i64 = 3_600_000_000;

/// Returns the slots of a date in ascending order, none without a session: a day bar at midnight in New York, bars of one and five minutes
/// from 09:30, hour bars on the clock hour from 09:00; the last one opens before the close.
pub fn session_slots(timeframe: Timeframe, date: Date) -> impl Iterator<Item = Timestamp> {
    let open = day_open(date);
    // Clocks change on Sundays, which have no session.
    let (first, step, end) = match timeframe.minutes() {
        None => (0, 24 * HOUR_MICROS, HOUR_MICROS),
        Some(minutes) => {
            let first = if timeframe == Timeframe::Hour1 { 9 * HOUR_MICROS } else { 19 * HOUR_MICROS / 2 };
            (first, minutes * HOUR_MICROS / 60, session_close(date).micros_since(open))
        }
    };
    let end = if is_session(date) { end } else { first };
    std::iter::successors(Some(first), move |at| Some(at + step))
        .take_while(move |at| *at < end)
        .map(move |at| open.saturating_add_micros(at))
}

#[cfg(test)]
mod tests {
    use domain::Timeframe;
    use domain::calendar::Date;

    use super::session_slots;

    fn slots(timeframe: Timeframe, date: &str) -> (usize, Option<String>, Option<String>) {
        let date: Date = date.parse().unwrap();
        let slots: Vec<String> = session_slots(timeframe, date).map(|slot| slot.to_string()).collect();
        (slots.len(), slots.first().cloned(), slots.last().cloned())
    }

    #[test]
    fn session_has_its_slots_in_each_timeframe() {
        let of = |timeframe| slots(timeframe, "2024-03-15");
        let some = |text: &str| Some(text.to_owned());
        let midnight = some("2024-03-15T04:00:00Z");
        assert_eq!(of(Timeframe::Day1), (1, midnight.clone(), midnight));
        assert_eq!(of(Timeframe::Hour1), (7, some("2024-03-15T13:00:00Z"), some("2024-03-15T19:00:00Z")));
        assert_eq!(of(Timeframe::Minute5), (78, some("2024-03-15T13:30:00Z"), some("2024-03-15T19:55:00Z")));
        assert_eq!(of(Timeframe::Minute1), (390, some("2024-03-15T13:30:00Z"), some("2024-03-15T19:59:00Z")));
    }

    #[test]
    fn half_day_is_shorter_and_a_holiday_has_no_slot() {
        assert_eq!(slots(Timeframe::Minute1, "2024-11-29").0, 210);
        assert_eq!(slots(Timeframe::Hour1, "2024-11-29").0, 4);
        for timeframe in Timeframe::ALL {
            assert_eq!(slots(timeframe, "2024-03-29").0, 0, "Good Friday");
            assert_eq!(slots(timeframe, "2024-03-16").0, 0, "a Saturday");
        }
    }
}
