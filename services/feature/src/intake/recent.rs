//! What was asked lately: the same symbol, sets and time within a minute is answered once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::{FeatureSets, Symbol, Timestamp};

type Key = (Symbol, FeatureSets, Timestamp);

/// What the memory says of a request for one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Not asked before, or only at a lower priority: it is to be computed.
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

/// Remembers what was asked for `window`, by the monotonic clock.
pub struct Recent {
    window: Duration,
    asked: HashMap<Key, Earlier>,
    by_age: VecDeque<(Duration, Key)>,
}

impl Recent {
    /// A memory of this length.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, asked: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Asks for one symbol of a request at time `now`, and remembers it when it is new.
    pub fn ask(&mut self, key: Key, priority: u8, request_id: &str, now: Duration) -> Asked {
        self.forget_old(now);
        let earlier = Earlier { priority, request_id: request_id.to_owned(), asked_at: now };
        match self.asked.entry(key) {
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
        Asked::New
    }

    /// Forgets what was asked of these symbols, when their partition goes.
    pub fn forget(&mut self, belongs: impl Fn(Symbol) -> bool) {
        self.asked.retain(|(symbol, _, _), _| !belongs(*symbol));
        self.by_age.retain(|(_, (symbol, _, _))| !belongs(*symbol));
    }

    fn forget_old(&mut self, now: Duration) {
        while let Some((asked_at, key)) = self.by_age.front().copied() {
            if now.saturating_sub(asked_at) < self.window {
                return;
            }
            self.by_age.pop_front();
            if self.asked.get(&key).is_some_and(|earlier| earlier.asked_at == asked_at) {
                self.asked.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::FeatureSet;

    const WINDOW: Duration = Duration::from_secs(60);

    fn key(occurred_at_micros: i64) -> Key {
        let sets = [FeatureSet::ALL[0]].into_iter().collect();
        (Symbol::parse("AAPL").unwrap(), sets, Timestamp::from_micros(occurred_at_micros))
    }

    fn before(id: &str) -> Asked {
        Asked::Before { request_id: id.to_owned() }
    }

    #[test]
    fn the_same_within_the_window_is_a_duplicate_and_names_the_earlier_request() {
        let mut recent = Recent::new(WINDOW);
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "second", WINDOW / 2), before("first"));
        assert_eq!(recent.ask(key(2), 5, "another time", WINDOW / 2), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "third", WINDOW), Asked::New, "the window has passed");
    }

    #[test]
    fn a_higher_priority_passes_and_is_remembered_from_then_on() {
        let mut recent = Recent::new(WINDOW);
        assert_eq!(recent.ask(key(1), 5, "first", Duration::ZERO), Asked::New);
        assert_eq!(recent.ask(key(1), 9, "urgent", WINDOW / 2), Asked::New);
        assert_eq!(recent.ask(key(1), 5, "late", WINDOW), before("urgent"));
        assert_eq!(recent.ask(key(1), 9, "later", WINDOW * 2), Asked::New);
    }

    #[test]
    fn what_belongs_to_a_partition_that_goes_is_forgotten() {
        let mut recent = Recent::new(WINDOW);
        recent.ask(key(1), 5, "first", Duration::ZERO);
        recent.forget(|symbol| symbol.as_str() == "AAPL");
        assert_eq!(recent.ask(key(1), 5, "second", Duration::ZERO), Asked::New);
    }
}
