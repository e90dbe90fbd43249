//! What was seen already: one dedup window per key, on event time.
//!
//! A window is opened by the first occurrence, at `first_seen`. An occurrence at most `window` before or after it (both ends belong
//! to it) is inside. A later one opens a new window in its place; an older one is judged on its own and opens none.
//!
//! Windows are matched on event time and forgotten by the wall clock: `window` + [`SLACK_MICROS`] after the append time of the
//! first output that announced them. An occurrence is never further ahead of the clock than the slack, so a window outlives
//! whatever could still fall into it in time.
//!
//! ```text
//!            open_unannounced            announced(at)
//!   absent ───────────────────► waiting ───────────────► in the log ──► forgotten by the clock, or by the bound
//!      └───────────────────── open(at) ─────────────────────▲
//! ```
//!
//! Whoever rebuilds the windows from the outputs, opening and announcing them at the outputs' append times, has the same ones: the
//! log is ordered by those times, whatever the order in which the outputs are read.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::timestamp::Timestamp;

/// How far ahead of the clock an occurrence may be, in microseconds: 5 min.
pub const SLACK_MICROS: i64 = 300_000_000;

/// Where an occurrence falls.
#[derive(Debug, PartialEq, Eq)]
pub enum Observation<'a, V> {
    /// Its key has no window: it opens one.
    New,
    /// In the key's window.
    Inside {
        /// The occurrence that opened the window.
        first_seen: Timestamp,
        /// What is kept with it.
        value: &'a mut V,
    },
    /// After the key's window: it opens a new one in its place.
    Later,
    /// Before the key's window: it is judged on its own, and opens none.
    Older,
}

/// The windows of many keys, bounded in time and count.
///
/// Nothing is opened by looking: whoever lets an occurrence pass that is [`Observation::New`] or [`Observation::Later`] opens its window.
#[derive(Debug)]
pub struct DedupWindows<K, V> {
    window_micros: i64,
    capacity: usize,
    windows: HashMap<K, Window<V>, foldhash::fast::RandomState>,
    /// The announced windows, in the order in which they are forgotten.
    log: BTreeMap<Place, K>,
    last_stamp: u64,
    evicted_by_bound: u64,
}

#[derive(Debug)]
struct Window<V> {
    first_seen: Timestamp,
    /// Where it stands in the log; none while it waits to be announced.
    place: Option<Place>,
    value: V,
}

/// The time of an announcement, and which of those of that time it was.
type Place = (Timestamp, u64);

impl<K: Copy + Eq + Hash, V> DedupWindows<K, V> {
    /// No windows yet. `window_micros` reaches both ways from the first occurrence; at most `capacity` (at least 1) announced
    /// windows are held. Those not announced yet are bounded by the work that their owner holds, and never forgotten.
    #[must_use]
    pub fn new(window_micros: i64, capacity: usize) -> Self {
        Self {
            window_micros: window_micros.max(0),
            capacity: capacity.max(1),
            windows: HashMap::default(),
            log: BTreeMap::new(),
            last_stamp: 0,
            evicted_by_bound: 0,
        }
    }

    /// Where an occurrence of `key` falls.
    pub fn observe(&mut self, key: K, occurred_at: Timestamp) -> Observation<'_, V> {
        let Some(window) = self.windows.get_mut(&key) else {
            return Observation::New;
        };
        let since = occurred_at.micros_since(window.first_seen);
        if since > self.window_micros {
            Observation::Later
        } else if since < -self.window_micros {
            Observation::Older
        } else {
            Observation::Inside { first_seen: window.first_seen, value: &mut window.value }
        }
    }

    /// Opens `key`'s window, in place of any it had, whose output was or is being appended at `announced_at` (wall clock).
    pub fn open(&mut self, key: K, first_seen: Timestamp, value: V, announced_at: Timestamp) {
        self.open_unannounced(key, first_seen, value);
        self.announced(key, first_seen, announced_at);
    }

    /// Opens `key`'s window, in place of any it had, whose output hasn't left yet. It stays until it is [`Self::announced`].
    pub fn open_unannounced(&mut self, key: K, first_seen: Timestamp, value: V) {
        let replaced = self.windows.insert(key, Window { first_seen, place: None, value });
        if let Some(place) = replaced.and_then(|window| window.place) {
            self.log.remove(&place);
        }
    }

    /// An output that announces the window opened at `first_seen` was or is being appended at `at` (wall clock): of several, the
    /// earliest counts. Without effect when that window is gone.
    pub fn announced(&mut self, key: K, first_seen: Timestamp, at: Timestamp) {
        let Some(window) = self.windows.get_mut(&key).filter(|window| window.first_seen == first_seen) else {
            return;
        };
        match window.place {
            Some((earlier, _)) if earlier <= at => return,
            Some(later) => self.log.remove(&later),
            None => None,
        };
        self.last_stamp += 1;
        let place = (at, self.last_stamp);
        window.place = Some(place);
        self.log.insert(place, key);
        if self.log.len() > self.capacity {
            self.forget_first();
            self.evicted_by_bound += 1;
        }
    }

    /// Forgets the windows whose time is over at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        let kept_micros = self.window_micros.saturating_add(SLACK_MICROS);
        let is_over = |&(announced_at, _): &Place| now.micros_since(announced_at) >= kept_micros;
        while self.log.first_key_value().is_some_and(|(place, _)| is_over(place)) {
            self.forget_first();
        }
    }

    /// How many windows are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether no window is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// How many windows were forgotten before their time because the bound was reached.
    #[must_use]
    pub const fn evicted_by_bound(&self) -> u64 {
        self.evicted_by_bound
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.log.pop_first() {
            self.windows.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DedupWindows, Observation, SLACK_MICROS};
    use crate::timestamp::Timestamp;

    const WINDOW: i64 = 60_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn windows(capacity: usize) -> DedupWindows<u8, ()> {
        DedupWindows::new(WINDOW, capacity)
    }

    #[test]
    fn both_ends_of_a_window_are_inside() {
        let mut windows = windows(10);
        assert_eq!(windows.observe(1, at(100)), Observation::New);
        windows.open(1, at(100), (), at(100));
        for (second, inside) in [(39, false), (40, true), (100, true), (160, true), (161, false)] {
            let seen = windows.observe(1, at(second));
            assert_eq!(
                matches!(seen, Observation::Inside { first_seen, .. } if first_seen == at(100)),
                inside,
                "{second}"
            );
        }
        assert_eq!(windows.observe(1, at(39)), Observation::Older);
        assert_eq!(windows.observe(1, at(161)), Observation::Later);
        assert_eq!(windows.observe(2, at(100)), Observation::New);
    }

    #[test]
    fn window_expires_by_the_clock_without_traffic() {
        let mut windows = windows(10);
        windows.open(1, at(0), (), at(7));
        windows.expire(Timestamp::from_micros(at(7).micros() + WINDOW + SLACK_MICROS - 1));
        assert_eq!(windows.len(), 1);
        windows.expire(Timestamp::from_micros(at(7).micros() + WINDOW + SLACK_MICROS));
        assert!(windows.is_empty() && windows.log.is_empty());
    }

    #[test]
    fn unannounced_window_does_not_expire() {
        let mut windows = windows(1);
        windows.open_unannounced(1, at(0), ());
        windows.expire(at(1_000_000));
        windows.open_unannounced(2, at(0), ());
        assert_eq!((windows.len(), windows.evicted_by_bound()), (2, 0));
        windows.announced(1, at(0), at(1_000_000));
        windows.expire(at(1_000_360));
        assert_eq!(windows.len(), 1);
    }

    #[test]
    fn old_announcement_does_not_expire_a_reopened_window() {
        let mut windows = windows(10);
        windows.open(1, at(0), (), at(0));
        windows.open(1, at(100), (), at(100));
        windows.expire(at(360)); // the end of the first
        assert_eq!(windows.len(), 1);
        windows.announced(1, at(0), at(200)); // of the first, too late
        windows.expire(at(460));
        assert!(windows.is_empty());
    }

    #[test]
    fn earliest_announcement_determines_the_expiry() {
        for announcements in [[10, 20], [20, 10]] {
            let mut windows = windows(10);
            windows.open_unannounced(1, at(0), ());
            for second in announcements {
                windows.announced(1, at(0), at(second));
            }
            assert_eq!(windows.log.len(), 1);
            windows.expire(at(369));
            assert_eq!(windows.len(), 1);
            windows.expire(at(370));
            assert!(windows.is_empty());
        }
    }

    #[test]
    fn eviction_is_in_log_order_and_counted() {
        let mut windows = windows(2);
        windows.open(1, at(3), (), at(0));
        windows.open(2, at(2), (), at(1));
        windows.open(3, at(1), (), at(2));
        assert_eq!((windows.len(), windows.evicted_by_bound()), (2, 1));
        assert_eq!(windows.observe(1, at(3)), Observation::New);
        windows.open(3, at(100), (), at(3)); // replaces its own: nothing else has to go
        assert_eq!((windows.len(), windows.evicted_by_bound()), (2, 1));
    }

    #[test]
    fn reopened_windows_do_not_grow_the_log() {
        let mut windows = windows(10);
        for round in 0..100_000 {
            windows.open(1, at(round * 61), (), at(0));
        }
        assert_eq!(windows.len(), 1);
        assert_eq!(windows.log.len(), 1);
    }
}
