//! Chunks: parts of a missing range, each fetched and written on its own.

use domain::calendar::{Date, date_of, day_open};
use domain::{DataType, Interval, Timeframe, Timestamp};

/// The maximum number of dates in New York that a chunk may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkDays {
    /// For day bars and corporate actions.
    pub day: u16,
    /// For bars of one hour.
    pub hour: u16,
    /// For bars of one or five minutes.
    pub minutes: u16,
    pub news: u16,
}

impl Default for ChunkDays {
    /// A few thousand records per chunk at most: a transaction of moderate size.
    fn default() -> Self {
        Self { day: 365, hour: 90, minutes: 5, news: 30 }
    }
}

impl ChunkDays {
    /// Returns the maximum for this data type, of bars in this timeframe.
    #[must_use]
    pub const fn of(&self, data_type: DataType, timeframe: Option<Timeframe>) -> u16 {
        match timeframe {
            None if matches!(data_type, DataType::News) => self.news,
            None | Some(Timeframe::Day1) => self.day,
            Some(Timeframe::Hour1) => self.hour,
            Some(Timeframe::Minute5 | Timeframe::Minute1) => self.minutes,
        }
    }
}

/// Splits `missing` into chunks, in order. Each touches at most `days` (at least 1) dates in New York and ends at a midnight there,
/// except the last, which ends with `missing`.
#[must_use]
pub fn chunks(missing: Interval, days: u16) -> Vec<Interval> {
    let mut chunks = Vec::new();
    let mut start = missing.start();
    while start < missing.end() {
        let midnight = midnight_after(start, days.max(1));
        // No midnight follows at the end of the calendar: the rest is one chunk.
        let end = if start < midnight { midnight.min(missing.end()) } else { missing.end() };
        chunks.extend(Interval::new(start, end));
        start = end;
    }
    chunks
}

/// Returns the midnight in New York that ends the `days`-th date; the date of `start` is the first.
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
    use domain::{DataType, Interval, Timeframe, Timestamp};
    use proptest::prelude::*;

    use super::{ChunkDays, chunks};

    fn day(text: &str) -> Timestamp {
        day_open(text.parse::<Date>().unwrap())
    }

    fn interval(start: Timestamp, end: Timestamp) -> Interval {
        Interval::new(start, end).unwrap()
    }

    #[test]
    fn news_have_chunks_of_their_own_length() {
        let days = ChunkDays { day: 4, hour: 3, minutes: 2, news: 1 };
        let bars = Timeframe::ALL.map(|timeframe| days.of(DataType::MarketData, Some(timeframe)));
        assert_eq!(bars, [2, 2, 3, 4]);
        assert_eq!((days.of(DataType::News, None), days.of(DataType::CorporateActions, None)), (1, 4));
    }

    #[test]
    fn short_range_is_one_chunk() {
        let range = interval(day("2024-01-03"), day("2024-02-01"));
        assert_eq!(chunks(range, 365), [range]);
    }

    #[test]
    fn chunks_end_at_midnight_across_daylight_saving() {
        let start = Timestamp::parse("2024-03-08T15:00:00Z").unwrap();
        let end = Timestamp::parse("2024-03-12T18:30:00Z").unwrap();
        let parts = chunks(interval(start, end), 2);
        let ends: Vec<String> = parts.iter().map(|part| part.end().to_string()).collect();
        assert_eq!(ends, ["2024-03-10T05:00:00Z", "2024-03-12T04:00:00Z", "2024-03-12T18:30:00Z"]);
    }

    #[test]
    fn ten_years_of_day_bars_are_eleven_chunks() {
        assert_eq!(chunks(interval(day("2014-01-01"), day("2024-01-01")), 365).len(), 11);
    }

    #[test]
    fn range_at_the_end_of_the_calendar_is_one_chunk() {
        let edge = interval(Timestamp::from_micros(i64::MAX - 10), Timestamp::from_micros(i64::MAX));
        assert_eq!(chunks(edge, 1), [edge]);
    }

    proptest! {
        #[test]
        fn chunks_cover_the_range_within_the_maximum(
            start in 946_684_800_000_000_i64..1_900_000_000_000_000,
            hours in 1_i64..20_000,
            days in 1_u16..400,
        ) {
            let whole = interval(
                Timestamp::from_micros(start),
                Timestamp::from_micros(start + hours * 3_600_000_000),
            );
            let parts = chunks(whole, days);
            prop_assert_eq!(parts.first().map(|part| part.start()), Some(whole.start()));
            prop_assert_eq!(parts.last().map(|part| part.end()), Some(whole.end()));
            prop_assert!(parts.is_sorted_by(|a, b| a.end() == b.start()));
            for part in &parts {
                let dates = date_of(part.start()).until(date_of(part.last())).unwrap().get_days() + 1;
                prop_assert!(dates <= i32::from(days));
                if part.end() != whole.end() {
                    prop_assert_eq!(part.end(), day_open(date_of(part.end())));
                }
            }
        }
    }
}
