//! Live bars: which slots of the newest sessions other producers have filled, as the topic of the bars shows.
//!
//! ```text
//!  partition ─► date ─► series ─► a bit per slot          dates from `back` before now
//! ```
//! Only bars that were recorded live count: what a source has returned is in the coverage. A partition holds at most a number of sessions
//! (one date of one series each). Beyond it the oldest date loses some: what is not held is fetched.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::calendar::{Date, date_of};
use domain::{Interval, IntervalSet, Symbol, Timeframe, Timestamp};
use kit::SaturatingFrom;

use super::calendar_slots::{Slots, slots_of};

const DAY_MICROS: i64 = 24 * 3_600_000_000;

const WORD_BITS: usize = 64;

/// Space for the 390 minutes of a session.
const WORDS: usize = 7;

/// The limits of the held bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// The age, by append time, from which on bars are read at assignment.
    pub back: Duration,
    /// The maximum number of sessions that a partition holds.
    pub sessions_max: usize,
}

/// The slots that live bars fill, by partition.
#[derive(Debug)]
pub struct LiveBars {
    back_micros: i64,
    sessions_max: usize,
    /// The time of the last expiry.
    now: Timestamp,
    partitions: BTreeMap<i32, Held>,
}

#[derive(Debug, Default)]
struct Held {
    dates: BTreeMap<Date, BTreeMap<(Symbol, Timeframe), Filled>>,
    sessions: usize,
    /// The topic has been read up to the end that it had at assignment.
    is_loaded: bool,
}

/// A bit for each slot of a session.
#[derive(Debug, Clone, Copy, Default)]
struct Filled([u64; WORDS]);

impl LiveBars {
    /// Memory of a held session, in bytes: an entry of a tree whose nodes are half full.
    pub const SESSION_BYTES_MAX: usize = 2 * size_of::<((Symbol, Timeframe), Filled)>() + 16;

    #[must_use]
    pub fn new(limits: LiveLimits) -> Self {
        let back_micros = i64::saturating_from(limits.back.as_micros());
        Self {
            back_micros,
            sessions_max: limits.sessions_max,
            now: Timestamp::from_micros(i64::MIN),
            partitions: BTreeMap::new(),
        }
    }

    /// Returns `true` if a bar that was appended at this time is needed: it opens in a slot of a date within `back`, then and now.
    #[must_use]
    pub fn needs(&self, timeframe: Timeframe, open_time: Timestamp, appended_at: Timestamp) -> bool {
        let newest = date_of(appended_at.saturating_add_micros(DAY_MICROS));
        let date = date_of(open_time);
        self.oldest(appended_at.max(self.now)) <= date
            && date <= newest
            && slot(timeframe, open_time).is_some()
    }

    /// Adds a bar. No effect if it opens in no slot.
    pub fn add(&mut self, partition: i32, symbol: Symbol, timeframe: Timeframe, open_time: Timestamp) {
        let Some((date, number)) = slot(timeframe, open_time) else { return };
        let sessions_max = self.sessions_max;
        let held = self.partitions.entry(partition).or_default();
        let key = (symbol, timeframe);
        let is_held = held.dates.get(&date).is_some_and(|series| series.contains_key(&key));
        if !is_held && held.sessions >= sessions_max && !held.remove_one_before(date) {
            return;
        }
        held.sessions += usize::from(!is_held);
        held.dates.entry(date).or_default().entry(key).or_default().set(number, true);
    }

    /// Removes a bar.
    pub fn remove(&mut self, partition: i32, symbol: Symbol, timeframe: Timeframe, open_time: Timestamp) {
        let Some((date, number)) = slot(timeframe, open_time) else { return };
        let dates = self.partitions.get_mut(&partition).and_then(|held| held.dates.get_mut(&date));
        if let Some(filled) = dates.and_then(|series| series.get_mut(&(symbol, timeframe))) {
            filled.set(number, false);
        }
    }

    /// Returns the time of the held bars of a series.
    #[must_use]
    pub fn of(&self, partition: i32, symbol: Symbol, timeframe: Timeframe) -> IntervalSet {
        let dates = self.partitions.get(&partition).into_iter().flat_map(|held| &held.dates);
        let times = dates.filter_map(|(date, series)| {
            let filled = series.get(&(symbol, timeframe))?;
            Some(filled.times(&slots_of(timeframe, *date)?))
        });
        times.flatten().collect()
    }

    /// Returns the dates of a partition of which bars are held, in order.
    pub fn dates(&self, partition: i32) -> impl Iterator<Item = Date> + '_ {
        self.partitions.get(&partition).into_iter().flat_map(|held| held.dates.keys().copied())
    }

    /// Removes the dates that are too old at `now`.
    pub fn expire(&mut self, now: Timestamp) {
        self.now = now;
        let oldest = self.oldest(now);
        for held in self.partitions.values_mut() {
            while let Some(first) = held.dates.first_entry().filter(|first| *first.key() < oldest) {
                held.sessions -= first.remove().len();
            }
        }
    }

    /// Notes that the topic has been read up to the end that it had at assignment.
    pub fn loaded(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().is_loaded = true;
    }

    #[must_use]
    pub fn is_loaded(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|held| held.is_loaded)
    }

    /// Removes a partition: its topic is read again when it is followed again.
    pub fn release(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Returns the number of held sessions.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.partitions.values().map(|held| held.sessions).sum()
    }

    /// Returns the maximum number of held sessions of the partitions that are followed.
    #[must_use]
    pub fn sessions_max(&self) -> usize {
        self.sessions_max.saturating_mul(self.partitions.len())
    }

    /// Returns the first date that is held at `now`.
    fn oldest(&self, now: Timestamp) -> Date {
        date_of(now.saturating_add_micros(self.back_micros.saturating_neg()))
    }
}

impl Held {
    /// Removes a session of the oldest date, if that is before this one.
    fn remove_one_before(&mut self, date: Date) -> bool {
        let Some(mut first) = self.dates.first_entry().filter(|first| *first.key() < date) else {
            return false;
        };
        let is_removed = first.get_mut().pop_last().is_some();
        self.sessions -= usize::from(is_removed);
        if first.get().is_empty() {
            first.remove();
        }
        is_removed
    }
}

impl Filled {
    fn set(&mut self, number: usize, is_filled: bool) {
        if let Some(word) = self.0.get_mut(number / WORD_BITS) {
            let bit = 1 << (number % WORD_BITS);
            *word = if is_filled { *word | bit } else { *word & !bit };
        }
    }

    fn has(&self, number: usize) -> bool {
        self.0.get(number / WORD_BITS).is_some_and(|word| word >> (number % WORD_BITS) & 1 == 1)
    }

    /// Returns the time of the filled slots: an interval for each run.
    fn times(&self, session: &Slots) -> Vec<Interval> {
        let mut times = Vec::new();
        let mut from = None;
        for number in 0..=session.count {
            let is_filled = number < session.count && self.has(usize::saturating_from(number));
            match (is_filled, from) {
                (true, None) => from = Some(number),
                (false, Some(first)) => {
                    times.extend(session.time_of(first..=number - 1));
                    from = None;
                }
                _ => {}
            }
        }
        times
    }
}

/// Returns the date and the number of a slot.
fn slot(timeframe: Timeframe, open_time: Timestamp) -> Option<(Date, usize)> {
    let date = date_of(open_time);
    let number = slots_of(timeframe, date)?.number_of(open_time)?;
    Some((date, usize::saturating_from(number)))
}

#[cfg(test)]
mod tests;
