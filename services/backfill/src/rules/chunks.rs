//! Cuts what is missing into pieces that are fetched and written one after another.

use domain::calendar::{Date, date_of, day_open};
use domain::{Interval, Timeframe, Timestamp};

/// How many days of New York a chunk may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDays {
    /// For day bars and for data without a timeframe.
    pub day: u16,
    /// For bars of an hour.
    pub hour: u16,
    /// For bars of one or five minutes.
    pub minutes: u16,
}

impl Default for ChunkDays {
    /// A few thousand bars a chunk at most, whatever the timeframe: a transaction of moderate size.
    fn default() -> Self {
        Self { day: 365, hour: 90, minutes: 5 }
    }
}

impl ChunkDays {
    /// The bound for this timeframe.
    #[must_use]
    pub const fn of(&self, timeframe: Option<Timeframe>) -> u16 {
        match timeframe {
            None | Some(Timeframe::Day1) => self.day,
            Some(Timeframe::Hour1) => self.hour,
            Some(Timeframe::Minute5 | Timeframe::Minute1) => self.minutes,
        }
    }
}

/// The pieces of `missing`, in order: each touches at most `days` (at least 1) dates in New York and ends at a midnight there, but for
/// the last, which ends where `missing` does.
#[must_use]
pub fn chunks(missing: Interval, days: u16) -> Vec<Interval> {
    let mut pieces = Vec::new();
    let mut start = missing.start();
    while start < missing.end() {
        let midnight = midnight_after(start, days.max(1));
        // Where the calendar ends no midnight follows: the rest is one piece.
        let end = if start < midnight { midnight.min(missing.end()) } else { missing.end() };
        pieces.extend(Interval::new(start, end));
        start = end;
    }
    pieces
}

/// The midnight in New York at which the `days`-th date from that of `start` on ends.
fn midnight_after(start: Timestamp, days: u16) -> Timestamp {
    let mut date: Date = date_of(start);
    for _ in 0..days {
        date = date.tomorrow().unwrap_or(date);
    }
    day_open(date)
}

#[cfg(test)]
mod tests {
    use domain::calendar::{Date, date_of, day_open};
    use domain::{Interval, Timestamp};
    use proptest::prelude::*;

    use super::chunks;

    fn day(text: &str) -> Timestamp {
        day_open(text.parse::<Date>().unwrap())
    }

    fn interval(start: Timestamp, end: Timestamp) -> Interval {
        Interval::new(start, end).unwrap()
    }

    #[test]
    fn a_short_range_is_one_chunk() {
        let range = interval(day("2024-01-03"), day("2024-02-01"));
        assert_eq!(chunks(range, 365), [range]);
    }

    #[test]
    fn chunks_end_at_midnight_in_new_york_across_daylight_saving() {
        let start = Timestamp::parse("2024-03-08T15:00:00Z").unwrap();
        let end = Timestamp::parse("2024-03-12T18:30:00Z").unwrap();
        let pieces = chunks(interval(start, end), 2);
        let ends: Vec<String> = pieces.iter().map(|piece| piece.end().to_string()).collect();
        assert_eq!(ends, ["2024-03-10T05:00:00Z", "2024-03-12T04:00:00Z", "2024-03-12T18:30:00Z"]);
    }

    #[test]
    fn ten_years_of_day_bars_are_eleven_chunks_at_most() {
        assert_eq!(chunks(interval(day("2014-01-01"), day("2024-01-01")), 365).len(), 11);
    }

    #[test]
    fn a_range_at_the_edge_of_the_calendar_ends() {
        let edge = interval(Timestamp::from_micros(i64::MAX - 10), Timestamp::from_micros(i64::MAX));
        assert_eq!(chunks(edge, 1), [edge]);
    }

    proptest! {
        #[test]
        fn chunks_join_to_what_was_missing_and_none_is_longer_than_its_days(
            start in 946_684_800_000_000_i64..1_900_000_000_000_000,
            hours in 1_i64..20_000,
            days in 1_u16..400,
        ) {
            let whole = interval(
                Timestamp::from_micros(start),
                Timestamp::from_micros(start + hours * 3_600_000_000),
            );
            let pieces = chunks(whole, days);
            prop_assert_eq!(pieces.first().map(|piece| piece.start()), Some(whole.start()));
            prop_assert_eq!(pieces.last().map(|piece| piece.end()), Some(whole.end()));
            prop_assert!(pieces.is_sorted_by(|a, b| a.end() == b.start()));
            for piece in &pieces {
                let dates = date_of(piece.start()).until(date_of(piece.last())).unwrap().get_days() + 1;
                prop_assert!(dates <= i32::from(days));
                if piece.end() != whole.end() {
                    prop_assert_eq!(piece.end(), day_open(date_of(piece.end())));
                }
            }
        }
    }
}
