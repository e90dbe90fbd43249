//! Bars that a topic holds: one bit for each, by date.

use std::collections::BTreeMap;

use domain::calendar::{Date, date_of, day_open};
use domain::{Timeframe, Timestamp};

const DAY_MICROS: i64 = 86_400_000_000;

/// The bars of one series. A year of minute bars needs some 60 KB.
#[derive(Debug, Clone)]
pub struct HeldBars {
    timeframe: Timeframe,
    dates: BTreeMap<Date, Box<[u64]>>,
}

impl HeldBars {
    #[must_use]
    pub const fn new(timeframe: Timeframe) -> Self {
        Self { timeframe, dates: BTreeMap::new() }
    }

    /// Adds the bar that opens at this time, or removes it.
    pub fn set(&mut self, open_time: Timestamp, is_held: bool) {
        let (date, word, bit) = self.position(open_time);
        if !is_held {
            if let Some(of_word) = self.dates.get_mut(&date).and_then(|bits| bits.get_mut(word)) {
                *of_word &= !bit;
            }
            return;
        }
        let words = self.words();
        let bits = self.dates.entry(date).or_insert_with(|| vec![0; words].into_boxed_slice());
        if let Some(of_word) = bits.get_mut(word) {
            *of_word |= bit;
        }
    }

    /// Returns `true` if a bar opens at this time.
    #[must_use]
    pub fn contains(&self, open_time: Timestamp) -> bool {
        let (date, word, bit) = self.position(open_time);
        self.dates.get(&date).and_then(|bits| bits.get(word)).is_some_and(|of_word| of_word & bit != 0)
    }

    /// Returns the number of bars of a date, those outside its session included.
    #[must_use]
    pub fn of_date(&self, date: Date) -> u32 {
        self.dates.get(&date).map_or(0, |bits| bits.iter().map(|word| word.count_ones()).sum())
    }

    /// Returns the number of bars.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.dates.values().flatten().map(|word| u64::from(word.count_ones())).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dates().next().is_none()
    }

    /// Returns the dates that have bars, in order.
    pub fn dates(&self) -> impl DoubleEndedIterator<Item = Date> {
        self.dates.iter().filter(|(_, bits)| bits.iter().any(|word| *word != 0)).map(|(date, _)| *date)
    }

    /// The words of a date. The longest has 25 hours.
    fn words(&self) -> usize {
        match self.timeframe {
            Timeframe::Day1 | Timeframe::Hour1 => 1,
            Timeframe::Minute5 => 5,
            Timeframe::Minute1 => 24,
        }
    }

    /// Returns the date of a bar, the index of its word, and its bit.
    fn position(&self, open_time: Timestamp) -> (Date, usize, u64) {
        let date = date_of(open_time);
        let step = self.timeframe.minutes().map_or(2 * DAY_MICROS, |minutes| minutes * 60_000_000);
        let index = usize::try_from(open_time.micros_since(day_open(date)) / step).unwrap_or(0);
        (date, index / 64, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn bar_is_held_until_it_is_removed() {
        for timeframe in Timeframe::ALL {
            let mut held = HeldBars::new(timeframe);
            let open = at("2024-03-15T19:00:00Z");
            held.set(open, true);
            held.set(open, true);
            assert_eq!((held.len(), held.contains(open)), (1, true), "{timeframe}");
            assert_eq!(held.of_date("2024-03-15".parse().unwrap()), 1, "{timeframe}");
            held.set(open, false);
            assert!(held.is_empty() && !held.contains(open), "{timeframe}");
        }
    }

    #[test]
    fn bars_of_the_longest_date_are_counted_once_each() {
        // Clocks change on 2024-11-03, which has 25 hours.
        let date: Date = "2024-11-03".parse().unwrap();
        let hours = day_open(date.tomorrow().unwrap()).micros_since(day_open(date)) / 3_600_000_000;
        for (timeframe, expected) in [(Timeframe::Minute1, 60 * hours), (Timeframe::Minute5, 12 * hours)] {
            let mut held = HeldBars::new(timeframe);
            let step = timeframe.minutes().unwrap() * 60_000_000;
            for index in 0..expected {
                held.set(day_open(date).saturating_add_micros(index * step), true);
            }
            assert_eq!((i64::try_from(held.len()), i64::from(held.of_date(date))), (Ok(expected), expected));
            assert_eq!(held.dates().collect::<Vec<_>>(), [date]);
        }
    }
}
