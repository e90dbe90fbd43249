//! Dedup window of requests: within it the same symbol, timeframe, sets and time are computed once (ADR 041).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::{FeatureSets, Symbol, Timeframe, Timestamp};

/// A UUID as text, allocated.
const REQUEST_ID_BYTES: usize = 48;

/// The part of a request that concerns one symbol. Equal keys have equal results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupKey {
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    pub sets: FeatureSets,
    /// Only bars that closed at or before this time count.
    pub occurred_at: Timestamp,
}

/// Result of the lookup of one symbol of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occurrence {
    /// No other request of this or a higher priority has the key. A redelivered request is new, too.
    New,
    /// An earlier request of this or a higher priority has the key.
    Duplicate {
        /// The id of that request.
        earlier_request_id: String,
    },
}

struct Earlier {
    priority: u8,
    request_id: String,
    requested_at: Duration,
}

/// The keys that were requested within `window`, by the monotonic clock. Above `keys_max` the oldest ones are evicted.
pub struct DedupWindow {
    window: Duration,
    keys_max: usize,
    evictions: u64,
    requested: HashMap<DedupKey, Earlier>,
    by_age: VecDeque<(Duration, DedupKey)>,
}

impl DedupWindow {
    /// Upper bound of the memory of a key, in bytes: its share of a hash table that grows, in addition to the smaller one, of a queue that has
    /// just grown, and the id.
    pub const KEY_BYTES_MAX: usize = (size_of::<(DedupKey, Earlier)>() + 1) * 24 / 7
        + 2 * size_of::<(Duration, DedupKey)>()
        + REQUEST_ID_BYTES;

    /// An empty window.
    #[must_use]
    pub fn new(window: Duration, keys_max: usize) -> Self {
        Self { window, keys_max, evictions: 0, requested: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Looks up one symbol of a request at time `now`, and stores it if it is new.
    pub fn record(&mut self, key: DedupKey, priority: u8, request_id: &str, now: Duration) -> Occurrence {
        self.expire(now);
        let request = Earlier { priority, request_id: request_id.to_owned(), requested_at: now };
        match self.requested.entry(key) {
            // Redelivered: its first result was never committed, or is sent again. A request is no duplicate of itself.
            Entry::Occupied(found) if found.get().request_id == request_id => return Occurrence::New,
            Entry::Occupied(found) if found.get().priority >= priority => {
                return Occurrence::Duplicate { earlier_request_id: found.get().request_id.clone() };
            }
            Entry::Occupied(mut found) => {
                found.insert(request);
            }
            Entry::Vacant(slot) => {
                slot.insert(request);
            }
        }
        self.by_age.push_back((now, key));
        while self.by_age.len() > self.keys_max {
            self.evictions += u64::from(self.remove_oldest());
        }
        Occurrence::New
    }

    /// Removes the keys of these symbols, when their partition is revoked.
    pub fn remove(&mut self, is_removed: impl Fn(Symbol) -> bool) {
        self.requested.retain(|key, _| !is_removed(key.symbol));
        self.by_age.retain(|(_, key)| !is_removed(key.symbol));
    }

    /// Removes the keys that are older than the window.
    pub fn expire(&mut self, now: Duration) {
        while self.by_age.front().is_some_and(|(since, _)| now.saturating_sub(*since) >= self.window) {
            self.remove_oldest();
        }
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requested.len()
    }

    /// Returns `true` if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requested.is_empty()
    }

    /// Returns the number of keys that were removed before the end of the window because there were more than `keys_max`.
    #[must_use]
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Removes the oldest entry and returns `true` if its key is removed with it. A key that was requested again at a higher priority
    /// stays until its newer entry is removed.
    fn remove_oldest(&mut self) -> bool {
        let Some((since, key)) = self.by_age.pop_front() else { return false };
        let is_newest = self.requested.get(&key).is_some_and(|earlier| earlier.requested_at == since);
        is_newest && self.requested.remove(&key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use domain::FeatureSet;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn key(occurred_at_micros: i64) -> DedupKey {
        let sets = [FeatureSet::ALL[0]].into_iter().collect();
        let symbol = Symbol::parse("AAPL").unwrap();
        let occurred_at = Timestamp::from_micros(occurred_at_micros);
        DedupKey { symbol, timeframe: Timeframe::Day1, sets, occurred_at }
    }

    fn dedup_window() -> DedupWindow {
        DedupWindow::new(WINDOW, 100)
    }

    fn duplicate_of(id: &str) -> Occurrence {
        Occurrence::Duplicate { earlier_request_id: id.to_owned() }
    }

    #[test]
    fn same_key_in_window_is_duplicate_of_earlier_request() {
        let mut window = dedup_window();
        assert_eq!(window.record(key(1), 5, "first", Duration::ZERO), Occurrence::New);
        assert_eq!(window.record(key(1), 5, "second", WINDOW / 2), duplicate_of("first"));
        assert_eq!(window.record(key(2), 5, "another time", WINDOW / 2), Occurrence::New);
        assert_eq!(window.record(key(1), 5, "third", WINDOW), Occurrence::New, "the window has ended");
    }

    #[test]
    fn higher_priority_is_new_and_replaces_the_entry() {
        let mut window = dedup_window();
        assert_eq!(window.record(key(1), 5, "first", Duration::ZERO), Occurrence::New);
        assert_eq!(window.record(key(1), 9, "urgent", WINDOW / 2), Occurrence::New);
        assert_eq!(window.record(key(1), 5, "late", WINDOW), duplicate_of("urgent"));
        assert_eq!(window.record(key(1), 9, "later", WINDOW * 2), Occurrence::New);
    }

    #[test]
    fn redelivered_request_is_no_duplicate_of_itself() {
        let mut window = dedup_window();
        assert_eq!(window.record(key(1), 5, "first", Duration::ZERO), Occurrence::New);
        assert_eq!(window.record(key(1), 5, "first", WINDOW / 2), Occurrence::New);
        assert_eq!(window.record(key(1), 5, "second", WINDOW / 2), duplicate_of("first"));
        assert_eq!(
            window.record(key(1), 5, "third", WINDOW),
            Occurrence::New,
            "a redelivery starts no new window"
        );
    }

    #[test]
    fn other_timeframe_is_another_key() {
        let mut window = dedup_window();
        assert_eq!(window.record(key(1), 5, "first", Duration::ZERO), Occurrence::New);
        let minutes = DedupKey { timeframe: Timeframe::Minute1, ..key(1) };
        assert_eq!(window.record(minutes, 5, "second", Duration::ZERO), Occurrence::New);
    }

    #[test]
    fn keys_are_evicted_at_the_bound_and_expire_by_the_clock() {
        let mut window = DedupWindow::new(WINDOW, 2);
        for occurred_at in 1..=3 {
            window.record(key(occurred_at), 5, &occurred_at.to_string(), Duration::ZERO);
        }
        assert_eq!((window.len(), window.evictions()), (2, 1));
        assert_eq!(window.record(key(3), 5, "again", Duration::ZERO), duplicate_of("3"));
        assert_eq!(window.record(key(1), 5, "again", Duration::ZERO), Occurrence::New);
        window.expire(WINDOW);
        assert!(window.is_empty());
    }

    #[test]
    fn removed_symbol_is_no_duplicate() {
        let mut window = dedup_window();
        window.record(key(1), 5, "first", Duration::ZERO);
        window.remove(|symbol| symbol.as_str() == "AAPL");
        assert_eq!(window.record(key(1), 5, "second", Duration::ZERO), Occurrence::New);
    }
}
