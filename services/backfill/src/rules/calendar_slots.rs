//! Slots of the calendar: the instants at which the bars of a timeframe open in the regular sessions of the exchange.
//!
//! | timeframe | slots of a session |
//! |---|---|
//! | 1day | the start of its date |
//! | 1hour | the clock hours from 09:00 until its close |
//! | 5min, 1min | from 09:30 until its close |

use std::ops::RangeInclusive;

use domain::calendar::{Date, date_of, day_open, is_session, session_close};
use domain::{Interval, Timeframe, Timestamp};

const MINUTE_MICROS: i64 = 60_000_000;

/// The first slot of a session, in minutes from the start of its date: 09:00 for hours, 09:30 for minutes.
const HOURS_START_MINUTES: i64 = 540;
const MINUTES_START_MINUTES: i64 = 570;

/// Consecutive slots of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    date: Date,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: i64,
    step_micros: i64,
    is_from_start: bool,
    is_to_end: bool,
}

impl Slots {
    /// Returns the slots of a date within `range`. `None` without one.
    fn of(timeframe: Timeframe, date: Date, range: Interval) -> Option<Self> {
        if !is_session(date) {
            return None;
        }
        let (start, step_micros, all) = match timeframe.minutes() {
            None => (day_open(date), i64::MAX, 1),
            Some(minutes) => {
                let from = if minutes < 60 { MINUTES_START_MINUTES } else { HOURS_START_MINUTES };
                // Clocks change on Sundays, which have no session.
                let start = day_open(date).saturating_add_micros(from * MINUTE_MICROS);
                let step = minutes * MINUTE_MICROS;
                (start, step, session_close(date).micros_since(start) / step)
            }
        };
        let before = range.start().micros_since(start).max(0);
        let from = before / step_micros + i64::from(before % step_micros > 0);
        let to = range.last().micros_since(start).div_euclid(step_micros).min(all - 1);
        if from > to {
            return None;
        }
        let slot = |index: i64| start.saturating_add_micros(index.saturating_mul(step_micros));
        let (first, last, count) = (slot(from), slot(to), to - from + 1);
        let (is_from_start, is_to_end) = (from == 0, to == all - 1);
        Some(Self { date, first, last, count, step_micros, is_from_start, is_to_end })
    }

    /// Returns the number of the slot at this instant, from 0. `None` if it is no slot.
    #[must_use]
    pub fn number_of(&self, slot: Timestamp) -> Option<i64> {
        let distance = slot.micros_since(self.first);
        let is_slot = self.first <= slot && slot <= self.last && distance % self.step_micros == 0;
        is_slot.then(|| distance / self.step_micros)
    }

    /// Returns the time of the bars in these slots, of which the numbers are from 0: from the first opening until the last close. The bar of a
    /// day is the whole date.
    #[must_use]
    pub fn time_of(&self, numbers: RangeInclusive<i64>) -> Option<Interval> {
        let opening = |number: i64| {
            let is_slot = (0..self.count).contains(&number);
            is_slot.then(|| self.first.saturating_add_micros(number.saturating_mul(self.step_micros)))
        };
        let (start, last) = (opening(*numbers.start())?, opening(*numbers.end())?);
        let end = match self.step_micros {
            i64::MAX => day_open(self.date.tomorrow().ok()?),
            step => last.saturating_add_micros(step),
        };
        Interval::new(start, end).ok()
    }

    /// Returns `true` if no slot is between the last one of these and the first one of `next`.
    #[must_use]
    pub fn touches(&self, next: &Self) -> bool {
        if self.date == next.date {
            return next.first.micros_since(self.last) == self.step_micros;
        }
        self.is_to_end && next.is_from_start && next_session(self.date) == Some(next.date)
    }
}

/// Returns the slots of a date. `None` without a session.
#[must_use]
pub fn slots_of(timeframe: Timeframe, date: Date) -> Option<Slots> {
    let tomorrow = date.tomorrow().ok()?;
    Slots::of(timeframe, date, Interval::new(day_open(date), day_open(tomorrow)).ok()?)
}

/// Returns the slots within `range`, by session.
pub fn slots(timeframe: Timeframe, range: Interval) -> impl Iterator<Item = Slots> {
    let last = date_of(range.last());
    let dates = std::iter::successors(Some(date_of(range.start())), |date| date.tomorrow().ok());
    dates.take_while(move |date| *date <= last).filter_map(move |date| Slots::of(timeframe, date, range))
}

/// Returns the last slot before `end`. `None` if there is none within two weeks.
#[must_use]
pub fn last_slot_before(timeframe: Timeframe, end: Timestamp) -> Option<Timestamp> {
    let today = date_of(end.saturating_add_micros(-1));
    let dates = std::iter::successors(Some(today), |date| date.yesterday().ok()).take(14);
    let within = |date: Date| Slots::of(timeframe, date, Interval::new(day_open(date), end).ok()?);
    dates.filter_map(within).map(|slots| slots.last).next()
}

fn next_session(date: Date) -> Option<Date> {
    std::iter::successors(date.tomorrow().ok(), |date| date.tomorrow().ok())
        .take(14)
        .find(|date| is_session(*date))
}

/// Returns the last date before this one that has a session. `None` if there is none within two weeks.
#[must_use]
pub fn previous_session(date: Date) -> Option<Date> {
    std::iter::successors(date.yesterday().ok(), |date| date.yesterday().ok())
        .take(14)
        .find(|date| is_session(*date))
}

#[cfg(test)]
mod tests {
    use domain::{Interval, Timeframe, Timestamp};

    use super::{last_slot_before, slots};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// The first and last slot of each session in a range, and their number.
    fn of(timeframe: Timeframe, start: &str, end: &str) -> Vec<(String, String, i64)> {
        let range = Interval::new(at(start), at(end)).unwrap();
        let texts = |slots: super::Slots| (slots.first.to_string(), slots.last.to_string(), slots.count);
        slots(timeframe, range).map(texts).collect()
    }

    fn slot(first: &str, last: &str, count: i64) -> (String, String, i64) {
        (first.to_owned(), last.to_owned(), count)
    }

    #[test]
    fn slots_follow_the_sessions_of_the_exchange() {
        // Thanksgiving, Thursday 2024-11-28; the Friday is a half day.
        let week = ("2024-11-27T05:00:00Z", "2024-12-01T05:00:00Z");
        let day = [
            slot("2024-11-27T05:00:00Z", "2024-11-27T05:00:00Z", 1),
            slot("2024-11-29T05:00:00Z", "2024-11-29T05:00:00Z", 1),
        ];
        assert_eq!(of(Timeframe::Day1, week.0, week.1), day);
        let hour = [
            slot("2024-11-27T14:00:00Z", "2024-11-27T20:00:00Z", 7),
            slot("2024-11-29T14:00:00Z", "2024-11-29T17:00:00Z", 4),
        ];
        assert_eq!(of(Timeframe::Hour1, week.0, week.1), hour);
        let minute = [
            slot("2024-11-27T14:30:00Z", "2024-11-27T20:59:00Z", 390),
            slot("2024-11-29T14:30:00Z", "2024-11-29T17:59:00Z", 210),
        ];
        assert_eq!(of(Timeframe::Minute1, week.0, week.1), minute);
    }

    #[test]
    fn range_cuts_the_slots_of_a_session() {
        let five = |start, end| of(Timeframe::Minute5, start, end);
        let some = [slot("2024-03-15T13:35:00Z", "2024-03-15T13:40:00Z", 2)];
        assert_eq!(five("2024-03-15T13:30:01Z", "2024-03-15T13:45:00Z"), some);
        assert_eq!(five("2024-03-15T13:35:00Z", "2024-03-15T13:40:01Z"), some);
        assert_eq!(five("2024-03-15T13:30:01Z", "2024-03-15T13:35:00Z"), []);
        assert_eq!(of(Timeframe::Day1, "2024-03-15T04:00:01Z", "2024-03-18T04:00:00Z"), []);
    }

    #[test]
    fn slots_touch_over_a_weekend_but_not_over_a_slot() {
        let range = |start, end| Interval::new(at(start), at(end)).unwrap();
        let of = |start, end| slots(Timeframe::Hour1, range(start, end)).next().unwrap();
        let friday = of("2024-03-15T18:00:00Z", "2024-03-15T20:00:00Z");
        let monday = of("2024-03-18T13:00:00Z", "2024-03-18T14:00:00Z");
        assert!(friday.touches(&monday) && !monday.touches(&friday));
        assert!(friday.touches(&of("2024-03-18T12:00:00Z", "2024-03-18T20:00:00Z")));
        assert!(!friday.touches(&of("2024-03-18T14:00:00Z", "2024-03-18T20:00:00Z")));
        assert!(!of("2024-03-15T13:00:00Z", "2024-03-15T18:00:00Z").touches(&monday));
        assert!(of("2024-03-15T13:00:00Z", "2024-03-15T18:00:00Z").touches(&friday));
    }

    #[test]
    fn last_slot_is_that_of_the_last_session() {
        let last = |timeframe, end| last_slot_before(timeframe, at(end)).unwrap();
        assert_eq!(last(Timeframe::Day1, "2024-03-18T04:00:00Z"), at("2024-03-15T04:00:00Z"));
        assert_eq!(last(Timeframe::Minute1, "2024-03-18T13:30:00Z"), at("2024-03-15T19:59:00Z"));
        assert_eq!(last(Timeframe::Minute1, "2024-03-18T13:30:01Z"), at("2024-03-18T13:30:00Z"));
    }
}
