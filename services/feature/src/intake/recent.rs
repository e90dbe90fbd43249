//! What was asked lately: the same symbol, timeframe, sets and time within a minute is answered once. (ADR 041)

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::{FeatureSets, Symbol, Timeframe, Timestamp};

/// What a request asks for one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The symbol.
    pub symbol: Symbol,
    /// Which bars.
    pub timeframe: Timeframe,
    /// Which sets.
    pub sets: FeatureSets,
    /// As of when.
    pub occurred_at: Timestamp,
}

/// What the memory says of a request for one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Not asked before, or only at a lower priority, or by this very request, come again: it is to be computed.
    New,
    /// This earlier request asks for the same, at the same priority or a higher one.
    Before {
        /// Its id.
        request_id: String,
    },
}

struct Earlier {
    priority: u8,
    request_id: String,
    asked_at: Duration,
}

/// Remembers what was asked for `window`, by the monotonic clock; at most `most` of it, then the oldest is forgotten.
pub struct Recent {
    window: Duration,
    most: usize,
    forgotten_by_bound: u64,
    asked: HashMap<Key, Earlier>,
    by_age: VecDeque<(Duration, Key)>,
}

impl Recent {
    /// A memory of this length and size.
    #[must_use]
    pub fn new(window: Duration, most: usize) -> Self {
        Self { window, most, forgotten_by_bound: 0, asked: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Asks for one symbol of a request at time `now`, and remembers it when it is new.
    pub fn ask(&mut self, key: Key, priority: u8, request_id: &str, now: Duration) -> Asked {
        self.expire(now);
        let earlier = Earlier { priority, request_id: request_id.to_owned(), asked_at: now };
        match self.asked.entry(key) {
            // Delivered again: its first answer never left, or leaves again. It is no duplicate of itself.
            Entry::Occupied(found) if found.get().request_id == request_id => return Asked::New,
            Entry::Occupied(found) if found.get().priority >= priority => {
                return Asked::Before { request_id: found.get().request_id.clone() };
            }
            Entry::Occupied(mut found) => {
                found.insert(earlier);
            }
            Entry::Vacant(place) => {
                place.insert(earlier);
            }
        }
        self.by_age.push_back((now, key));
        while self.by_age.len() > self.most {
            self.forgotten_by_bound += u64::from(self.forget_oldest());
        }
        Asked::New
    }

    /// Forgets what was asked of these symbols, when their partition goes.
    pub fn forget(&mut self, belongs: impl Fn(Symbol) -> bool) {
        self.asked.retain(|key, _| !belongs(key.symbol));
        self.by_age.retain(|(_, key)| !belongs(key.symbol));
    }

    /// Forgets what was asked longer ago than the window.
    pub fn expire(&mut self, now: Duration) {
        while self.by_age.front().is_some_and(|(asked_at, _)| now.saturating_sub(*asked_at) >= self.window) {
            self.forget_oldest();
        }
    }

    /// How much is remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// What was forgotten before its time.
    #[must_use]
    pub const fn forgotten_by_bound(&self) -> u64 {
        self.forgotten_by_bound
    }

    /// Whether something was forgotten: what was asked again at a higher priority is remembered under its new age.
    fn forget_oldest(&mut self) -> bool {
        let Some((asked_at, key)) = self.by_age.pop_front() else { return false };
        let is_newest = self.asked.get(&key).is_some_and(|earlier| earlier.asked_at == asked_at);
        is_newest && self.asked.remove(&key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::FeatureSet;

    const WINDOW: Duration = Duration::from_secs(60);

    fn key(occurred_at_micros: i64) -> Key {
        let sets = [FeatureSet::ALL[0]].into_iter().collect();
        let symbol = Symbol::parse("AAPL").unwrap();
        let occurred_at = Timestamp::from_micros(occurred_at_micros);
        Key { symbol, timeframe: Timeframe::Day1, sets, occurred_at }
    }

    fn recent() -> Recent {
        Recent::new(WINDOW, 100)
    }

    fn before(id: &str) -> Asked {
        Asked::Before { request_id: id.to_owned() }
    }

    #[test]
    fn the_same_within_the_window_is_a_duplicate_and_names_the_earlier_request() {
        let mut recent = recent();
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "second", WINDOW / 2), before("first"));
        assert_eq!(recent.ask(key(2), 5, "another time", WINDOW / 2), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "third", WINDOW), Asked::New, "the window has passed");
    }

    #[test]
    fn a_higher_priority_passes_and_is_remembered_from_then_on() {
        let mut recent = recent();
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        assert_eq!(recent.ask(key(1), 9, "urgent", WINDOW / 2), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "late", WINDOW), before("urgent"));
        assert_eq!(recent.ask(key(1), 9, "later", WINDOW * 2), Asked::New);
    }

    #[test]
    fn a_request_that_comes_again_is_no_duplicate_of_itself() {
        let mut recent = recent();
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "first", WINDOW / 2), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "second", WINDOW / 2), before("first"));
        assert_eq!(recent.ask(key(1), 5, "third", WINDOW), Asked::New, "coming again opens no new window");
    }

    #[test]
    fn another_timeframe_is_another_question() {
        let mut recent = recent();
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        let minutes = Key { timeframe: Timeframe::Minute1, ..key(1) };
        assert_eq!(recent.ask(minutes, 5, "second", Duration::ZERO), Asked::New);
    }

    #[test]
    fn the_oldest_is_forgotten_at_the_bound_and_everything_by_the_clock() {
        let mut recent = Recent::new(WINDOW, 2);
        for occurred_at in 1..=3 {
            recent.ask(key(occurred_at), 5, &occurred_at.to_string(), Duration::ZERO);
        }
        assert_eq!((recent.len(), recent.forgotten_by_bound()), (2, 1));
        assert_eq!(recent.ask(key(3), 5, "again", Duration::ZERO), before("3"));
        assert_eq!(recent.ask(key(1), 5, "again", Duration::ZERO), Asked::New);
        recent.expire(WINDOW);
        assert!(recent.is_empty());
    }

    #[test]
    fn what_belongs_to_a_partition_that_goes_is_forgotten() {
        let mut recent = recent();
        recent.ask(key(1), 5, "first", Duration::ZERO);
        recent.forget(|symbol| symbol.as_str() == "AAPL");
        assert_eq!(recent.ask(key(1), 5, "second", Duration::ZERO), Asked::New);
    }
}
