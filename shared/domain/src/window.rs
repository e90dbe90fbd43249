//! What was seen already: one dedup window per key, on event time.
//!
//! A window is opened by the first occurrence, at `first_seen`. An occurrence at most `window` before or after it (both ends belong
//! to it) is inside. A later one opens a new window in its place; an older one is judged on its own and opens none.
//!
//! Windows are matched on event time and forgotten by the wall clock: `window` + [`SLACK_MICROS`] after the append time of the
//! output that announced them. An occurrence is never further ahead of the clock than the slack, so a window outlives whatever
//! could still fall into it in time; and who rebuilds the windows from the outputs' log forgets them at the same moment.
//!
//! ```text
//!            open_unannounced            announced(at)
//!   absent ───────────────────► waiting ───────────────► in the log ──► forgotten by the clock, or by the bound
//!      └───────────────────── open(at) ─────────────────────▲
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::timestamp::Timestamp;

/// How far ahead of the clock an occurrence may be, in microseconds: 5 min.
pub const SLACK_MICROS: i64 = 300_000_000;

/// Stale places that the log may hold beside as many as there are windows, before it is swept.
const STALE_FLOOR: usize = 64;

/// Where an occurrence falls.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a, V> {
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

/// The windows of many keys, bounded in time and count; each call is amortised O(1).
///
/// Nothing is opened by looking: whoever lets an occurrence pass that is [`Seen::New`] or [`Seen::Later`] opens its window.
#[derive(Debug)]
pub struct DedupWindows<K, V> {
    window_micros: i64,
    capacity: usize,
    windows: HashMap<K, Window<V>, foldhash::fast::RandomState>,
    /// Announced windows in the order of their announcements; a place whose stamp is no longer its window's is stale.
    log: VecDeque<Place<K>>,
    last_stamp: u64,
    forgotten_by_bound: u64,
}

#[derive(Debug)]
struct Window<V> {
    first_seen: Timestamp,
    /// That of its place in the log; 0 while it waits to be announced.
    stamp: u64,
    value: V,
}

#[derive(Debug)]
struct Place<K> {
    key: K,
    stamp: u64,
    announced_at: Timestamp,
}

impl<K: Copy + Eq + Hash, V> DedupWindows<K, V> {
    /// No windows yet. `window_micros` reaches both ways from the first occurrence; at most `capacity` (at least 1) announced
    /// windows are held. Those not announced yet are bounded by the work that their owner holds, and never forgotten.
    #[must_use]
    pub fn new(window_micros: i64, capacity: usize) -> Self {
        Self {
            window_micros: window_micros.max(0),
            capacity: capacity.max(1),
            windows: HashMap::default(),
            log: VecDeque::new(),
            last_stamp: 0,
            forgotten_by_bound: 0,
        }
    }

    /// Where an occurrence of `key` falls.
    pub fn observe(&mut self, key: K, occurred_at: Timestamp) -> Seen<'_, V> {
        let Some(window) = self.windows.get_mut(&key) else {
            return Seen::New;
        };
        let since = occurred_at.micros_since(window.first_seen);
        if since > self.window_micros {
            Seen::Later
        } else if since < -self.window_micros {
            Seen::Older
        } else {
            Seen::Inside { first_seen: window.first_seen, value: &mut window.value }
        }
    }

    /// Opens `key`'s window, in place of any it had, whose output was or is being appended at `announced_at` (wall clock).
    pub fn open(&mut self, key: K, first_seen: Timestamp, value: V, announced_at: Timestamp) {
        self.open_unannounced(key, first_seen, value);
        self.announced(key, first_seen, announced_at);
    }

    /// Opens `key`'s window, in place of any it had, whose output hasn't left yet. It stays until it is [`Self::announced`].
    pub fn open_unannounced(&mut self, key: K, first_seen: Timestamp, value: V) {
        if self.windows.len() >= self.capacity && !self.windows.contains_key(&key) {
            self.forget_first_of_log();
        }
        self.windows.insert(key, Window { first_seen, stamp: 0, value });
    }

    /// The output that announces the window opened at `first_seen` was or is being appended at `at` (wall clock).
    /// Without effect when that window is gone or was announced before.
    pub fn announced(&mut self, key: K, first_seen: Timestamp, at: Timestamp) {
        let Some(window) = self.windows.get_mut(&key) else {
            return;
        };
        if window.first_seen != first_seen || window.stamp != 0 {
            return;
        }
        self.last_stamp += 1;
        window.stamp = self.last_stamp;
        self.log.push_back(Place { key, stamp: self.last_stamp, announced_at: at });
        self.sweep_stale_places();
    }

    /// Forgets the windows whose time is over at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        let kept_micros = self.window_micros.saturating_add(SLACK_MICROS);
        while self.log.front().is_some_and(|place| now.micros_since(place.announced_at) >= kept_micros) {
            self.pop_place();
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

    /// How many announced windows can be held.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many windows were forgotten before their time because the bound was reached.
    #[must_use]
    pub const fn forgotten_by_bound(&self) -> u64 {
        self.forgotten_by_bound
    }

    fn forget_first_of_log(&mut self) {
        while !self.log.is_empty() {
            if self.pop_place() {
                self.forgotten_by_bound += 1;
                return;
            }
        }
    }

    /// Takes the log's first place; whether a window went with it.
    fn pop_place(&mut self) -> bool {
        let Some(place) = self.log.pop_front() else {
            return false;
        };
        let is_live = self.windows.get(&place.key).is_some_and(|window| window.stamp == place.stamp);
        if is_live {
            self.windows.remove(&place.key);
        }
        is_live
    }

    /// A key that opens one window after another leaves stale places behind: once they are the greater part, they go.
    fn sweep_stale_places(&mut self) {
        if self.log.len() > 2 * self.windows.len() + STALE_FLOOR {
            let windows = &self.windows;
            self.log
                .retain(|place| windows.get(&place.key).is_some_and(|window| window.stamp == place.stamp));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DedupWindows, SLACK_MICROS, STALE_FLOOR, Seen};
    use crate::timestamp::Timestamp;

    const WINDOW: i64 = 60_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn windows(capacity: usize) -> DedupWindows<u8, ()> {
        DedupWindows::new(WINDOW, capacity)
    }

    #[test]
    fn both_ends_of_a_window_belong_to_it() {
        let mut windows = windows(10);
        assert_eq!(windows.observe(1, at(100)), Seen::New);
        windows.open(1, at(100), (), at(100));
        for (second, inside) in [(39, false), (40, true), (100, true), (160, true), (161, false)] {
            let seen = windows.observe(1, at(second));
            assert_eq!(
                matches!(seen, Seen::Inside { first_seen, .. } if first_seen == at(100)),
                inside,
                "{second}"
            );
        }
        assert_eq!(windows.observe(1, at(39)), Seen::Older);
        assert_eq!(windows.observe(1, at(161)), Seen::Later);
        assert_eq!(windows.observe(2, at(100)), Seen::New);
    }

    #[test]
    fn a_window_is_forgotten_by_the_clock_without_traffic() {
        let mut windows = windows(10);
        windows.open(1, at(0), (), at(7));
        windows.expire(Timestamp::from_micros(at(7).micros() + WINDOW + SLACK_MICROS - 1));
        assert_eq!(windows.len(), 1);
        windows.expire(Timestamp::from_micros(at(7).micros() + WINDOW + SLACK_MICROS));
        assert!(windows.is_empty() && windows.log.is_empty());
    }

    #[test]
    fn a_window_is_not_forgotten_before_its_output_left() {
        let mut windows = windows(1);
        windows.open_unannounced(1, at(0), ());
        windows.expire(at(1_000_000));
        windows.open_unannounced(2, at(0), ());
        assert_eq!((windows.len(), windows.forgotten_by_bound()), (2, 0));
        windows.announced(1, at(0), at(1_000_000));
        windows.expire(at(1_000_360));
        assert_eq!(windows.len(), 1);
    }

    #[test]
    fn an_old_place_does_not_end_a_window_that_was_opened_again() {
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
    fn the_bound_forgets_in_log_order_and_counts() {
        let mut windows = windows(2);
        windows.open(1, at(3), (), at(0));
        windows.open(2, at(2), (), at(1));
        windows.open(3, at(1), (), at(2));
        assert_eq!((windows.len(), windows.forgotten_by_bound()), (2, 1));
        assert_eq!(windows.observe(1, at(3)), Seen::New);
        windows.open(3, at(100), (), at(3)); // replaces its own: nothing else has to go
        assert_eq!((windows.len(), windows.forgotten_by_bound()), (2, 1));
    }

    #[test]
    fn a_key_that_opens_windows_for_ever_does_not_grow_the_log() {
        let mut windows = windows(10);
        for round in 0..100_000 {
            windows.open(1, at(round * 61), (), at(0));
        }
        assert_eq!(windows.len(), 1);
        assert!(windows.log.len() <= 2 + STALE_FLOOR);
    }
}
