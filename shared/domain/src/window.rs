//! Dedup windows: one window per key, by event time.
//!
//! The first occurrence of a key opens a window at `first_seen`. An occurrence at most `window` before or after it, both ends
//! included, is inside. A later occurrence opens a new window that replaces the old one. An older occurrence is processed on its own
//! and opens no window.
//!
//! Windows are matched by event time and expire by the wall clock: `window` + [`SLACK_MICROS`] after the append time of the first
//! output that announced them. An occurrence is at most the slack ahead of the clock, so a window exists as long as a timely
//! occurrence can be inside it.
//!
//! ```text
//!            open_unannounced               announced(at)
//!   absent ───────────────────► unannounced ──────────────► announced ──► removed by expiry or eviction
//!      └────────────────────── open(at) ──────────────────────▲
//! ```
//!
//! Windows that are rebuilt from the outputs, opened and announced at the outputs' append times, are equal to the original ones: the
//! announced windows are ordered by those times, not by the order of reading (`expiry_log`).

mod expiry_log;
mod window_table;

use std::hash::Hash;

use self::expiry_log::{Announcement, ExpiryLog};
use self::window_table::WindowTable;
use crate::timestamp::Timestamp;

/// Limit of the time by which an occurrence can be ahead of the clock, in microseconds: 5 min.
pub const SLACK_MICROS: i64 = 300_000_000;

/// Position of an occurrence relative to the window of its key.
#[derive(Debug, PartialEq, Eq)]
pub enum Observation<'a, V> {
    /// The key has no window. The occurrence opens one.
    New,
    /// The occurrence is inside the window: a duplicate.
    Inside {
        /// Event time of the occurrence that opened the window.
        first_seen: Timestamp,
        /// Value that is stored with the window.
        value: &'a mut V,
    },
    /// The occurrence is after the window. It opens a new window that replaces it.
    Later,
    /// The occurrence is before the window. It is processed on its own and opens no window.
    Older,
}

/// The windows of many keys, limited in time and number.
///
/// [`DedupWindows::observe`] opens no window. The caller opens the window of an occurrence that it accepts after
/// [`Observation::New`] or [`Observation::Later`].
///
/// ```
/// use domain::{DedupWindows, Observation, Timestamp};
///
/// let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
/// let mut windows: DedupWindows<&str, ()> = DedupWindows::new(60_000_000, 1_000);
/// assert_eq!(windows.observe("AAPL", at(100)), Observation::New);
/// windows.open("AAPL", at(100), (), at(101)); // the wall clock shows 101 s
///
/// assert!(matches!(windows.observe("AAPL", at(160)), Observation::Inside { first_seen, .. } if first_seen == at(100)));
/// assert_eq!(windows.observe("AAPL", at(161)), Observation::Later);
/// assert_eq!(windows.observe("AAPL", at(39)), Observation::Older);
///
/// windows.expire(at(101 + 60 + 300));
/// assert!(windows.is_empty());
/// ```
#[derive(Debug)]
pub struct DedupWindows<K, V> {
    window_micros: i64,
    capacity: usize,
    windows: WindowTable<K, Window<V>>,
    /// The announced windows in the order of their expiry.
    announced: ExpiryLog<K>,
    evicted_by_bound: u64,
}

#[derive(Debug)]
struct Window<V> {
    first_seen: Timestamp,
    /// Its entry in `announced`. `None` if the window is not announced.
    announcement: Option<Announcement>,
    value: V,
}

impl<K: Copy + Eq + Hash, V> DedupWindows<K, V> {
    /// Upper bound of the memory of a window, if there are thousands: its share of a hash table that has just grown, with a byte of control
    /// each and 7 of 8 slots usable, and of a ring that has just grown and half of whose entries belong to replaced windows.
    pub const BYTES_MAX: usize =
        (size_of::<(K, Window<V>)>() + 1) * 16 / 7 + 4 * size_of::<(Announcement, K)>();

    /// Creates an empty collection. A window extends `window_micros` before and after its first occurrence. At most `capacity` (at
    /// least 1) announced windows are kept. Unannounced windows neither expire nor are evicted; the work that their owner holds
    /// limits their number.
    #[must_use]
    pub fn new(window_micros: i64, capacity: usize) -> Self {
        Self {
            window_micros: window_micros.max(0),
            capacity: capacity.max(1),
            windows: WindowTable::new(),
            announced: ExpiryLog::new(),
            evicted_by_bound: 0,
        }
    }

    /// Returns the position of an occurrence of `key`.
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

    /// Opens a window of `key`, which replaces the previous one. Its output was or is being appended at `announced_at` (wall clock).
    pub fn open(&mut self, key: K, first_seen: Timestamp, value: V, announced_at: Timestamp) {
        self.open_unannounced(key, first_seen, value);
        self.announced(key, first_seen, announced_at);
    }

    /// Opens a window of `key`, which replaces the previous one. Its output is not written yet; the window does not expire before
    /// [`Self::announced`].
    pub fn open_unannounced(&mut self, key: K, first_seen: Timestamp, value: V) {
        let replaced = self.windows.insert(key, Window { first_seen, announcement: None, value });
        if let Some(announcement) = replaced.and_then(|window| window.announcement) {
            self.remove_announcement(announcement);
        }
    }

    /// Records that an output which announces the window opened at `first_seen` was or is being appended at `at` (wall clock). The
    /// earliest of several announcements counts. No effect if that window was removed.
    pub fn announced(&mut self, key: K, first_seen: Timestamp, at: Timestamp) {
        let Some(window) = self.windows.get_mut(&key).filter(|window| window.first_seen == first_seen) else {
            return;
        };
        let replaced = window.announcement;
        if replaced.is_some_and(|earlier| earlier.at <= at) {
            return;
        }
        window.announcement = Some(self.announced.push(at, key));
        if let Some(later) = replaced {
            self.remove_announcement(later);
        }
        if self.announced.len() > self.capacity {
            self.remove_first(|_| true);
            self.evicted_by_bound += 1;
        }
    }

    /// Removes the windows that have expired at `now` (wall clock).
    pub fn expire(&mut self, now: Timestamp) {
        let kept_micros = self.window_micros.saturating_add(SLACK_MICROS);
        let is_due = |announced_at| now.micros_since(announced_at) >= kept_micros;
        while self.remove_first(is_due) {}
    }

    /// Removes the windows of these keys.
    pub fn remove_if(&mut self, is_removed: impl Fn(&K) -> bool) {
        self.windows.retain(|key, _| !is_removed(key));
        self.announced.retain(is_live(&self.windows));
    }

    /// Returns the number of windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Returns the number of windows that were evicted before their expiry because the capacity was reached.
    #[must_use]
    pub const fn evicted_by_bound(&self) -> u64 {
        self.evicted_by_bound
    }

    /// Removes the window that was announced first, if its announcement is due. Returns `false` if there is none.
    fn remove_first(&mut self, is_due: impl Fn(Timestamp) -> bool) -> bool {
        let key = self.announced.pop_first(is_due, is_live(&self.windows));
        key.is_some_and(|key| self.windows.remove(&key).is_some())
    }

    fn remove_announcement(&mut self, announcement: Announcement) {
        self.announced.remove(announcement, is_live(&self.windows));
    }
}

/// Returns the function that recognises the entry of a window in the log. Entries of replaced windows are not live.
fn is_live<K: Eq + Hash, V>(windows: &WindowTable<K, Window<V>>) -> impl Fn(Announcement, &K) -> bool {
    |announcement, key| windows.get(key).is_some_and(|window| window.announcement == Some(announcement))
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
            let observed = windows.observe(1, at(second));
            assert_eq!(
                matches!(observed, Observation::Inside { first_seen, .. } if first_seen == at(100)),
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
        assert!(windows.is_empty() && windows.announced.len() == 0);
    }

    #[test]
    fn expiry_and_look_up_visit_no_other_window() {
        let mut windows: DedupWindows<i64, ()> = DedupWindows::new(WINDOW, 20_000);
        for key in 0..10_000 {
            windows.open(key, at(key), (), at(key));
        }
        windows.windows.visited.take();
        windows.expire(at(0));
        windows.observe(5_000, at(5_000));
        assert_eq!(windows.windows.visited.take(), 1, "the window of the look-up");
        windows.expire(Timestamp::from_micros(at(2).micros() + WINDOW + SLACK_MICROS));
        assert_eq!((windows.len(), windows.windows.visited.take()), (9_997, 6), "twice the expired ones");
    }

    #[test]
    fn removed_window_leaves_the_others() {
        let mut windows = windows(10);
        for key in [1, 2, 3] {
            windows.open(key, at(0), (), at(0));
        }
        windows.remove_if(|key| *key == 2);
        assert_eq!((windows.len(), windows.announced.len()), (2, 2));
        assert_eq!(windows.observe(2, at(0)), Observation::New);
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
        windows.expire(at(360)); // expiry of the first window
        assert_eq!(windows.len(), 1);
        windows.announced(1, at(0), at(200)); // announcement of the first window, too late
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
            assert_eq!(windows.announced.len(), 1);
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
        windows.open(3, at(100), (), at(3)); // replaces its own window: no eviction
        assert_eq!((windows.len(), windows.evicted_by_bound()), (2, 1));
    }

    #[test]
    fn reopened_windows_do_not_grow_the_log() {
        let mut windows = windows(10);
        for round in 0..100_000 {
            windows.open(1, at(round * 61), (), at(0));
        }
        assert_eq!(windows.len(), 1);
        assert_eq!(windows.announced.len(), 1);
    }
}
