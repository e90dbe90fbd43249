//! Log of announcements in the order of their times, for expiry from its front.
//!
//! Announcements are nearly always made in the order of their times: such an entry is appended to a ring, at a cost that does not
//! depend on the number of entries. An earlier one, as in a restoration that reads several topics one after another, is inserted in an
//! ordered map. The first entry of the log is the earlier one of the two fronts.
//!
//! An entry of the ring whose window is replaced stays until it is at the front, or until more than half of the ring are such entries.

use std::collections::{BTreeMap, VecDeque};

use crate::timestamp::Timestamp;

/// Entries of replaced windows that the ring keeps in any case.
const STALE_MIN: usize = 32;

/// An entry of the log: the time of an announcement, and a sequence number that orders announcements of equal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Announcement {
    pub(super) at: Timestamp,
    sequence: u64,
}

/// The announcements of windows with keys `K`.
#[derive(Debug)]
pub(super) struct ExpiryLog<K> {
    ring: VecDeque<(Announcement, K)>,
    late: BTreeMap<Announcement, K>,
    /// Entries of `ring` whose windows were replaced.
    stale: usize,
    last_sequence: u64,
}

impl<K: Copy> ExpiryLog<K> {
    pub(super) const fn new() -> Self {
        Self { ring: VecDeque::new(), late: BTreeMap::new(), stale: 0, last_sequence: 0 }
    }

    /// Adds an announcement and returns its entry.
    pub(super) fn push(&mut self, at: Timestamp, key: K) -> Announcement {
        self.last_sequence += 1;
        let announcement = Announcement { at, sequence: self.last_sequence };
        if self.ring.back().is_none_or(|(last, _)| *last < announcement) {
            self.ring.push_back((announcement, key));
        } else {
            self.late.insert(announcement, key);
        }
        announcement
    }

    /// Removes the entry of a window that was replaced or announced earlier; `is_live` already returns `false` for it.
    pub(super) fn remove(&mut self, entry: Announcement, is_live: impl Fn(Announcement, &K) -> bool) {
        if self.late.remove(&entry).is_some() {
            return;
        }
        self.stale += 1;
        if self.stale > STALE_MIN && self.stale > self.ring.len() / 2 {
            self.retain(is_live);
        }
    }

    /// Removes all entries that are not live.
    pub(super) fn retain(&mut self, is_live: impl Fn(Announcement, &K) -> bool) {
        self.ring.retain(|(announcement, key)| is_live(*announcement, key));
        self.late.retain(|announcement, key| is_live(*announcement, key));
        self.stale = 0;
    }

    /// Removes the earliest live entry, if it is due, and all entries before it. Returns its key.
    pub(super) fn pop_first(
        &mut self,
        is_due: impl Fn(Timestamp) -> bool,
        is_live: impl Fn(Announcement, &K) -> bool,
    ) -> Option<K> {
        while let Some(first) = self.first().filter(|first| is_due(first.at)) {
            if let Some(key) = self.late.remove(&first) {
                return Some(key);
            }
            let (_, key) = self.ring.pop_front()?;
            if is_live(first, &key) {
                return Some(key);
            }
            self.stale -= 1;
        }
        None
    }

    /// Returns the number of live entries.
    pub(super) fn len(&self) -> usize {
        self.ring.len() - self.stale + self.late.len()
    }

    /// Returns the earliest entry, which may be one of a replaced window.
    fn first(&self) -> Option<Announcement> {
        let ring = self.ring.front().map(|(announcement, _)| *announcement);
        let late = self.late.first_key_value().map(|(announcement, _)| *announcement);
        match (ring, late) {
            (Some(ring), Some(late)) => Some(ring.min(late)),
            (first, None) | (None, first) => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Announcement, ExpiryLog, STALE_MIN};
    use crate::timestamp::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn replaced_entries_are_at_most_half_of_the_log() {
        let mut log = ExpiryLog::new();
        let mut live = log.push(at(0), ());
        for second in 1..10_000 {
            let replaced = std::mem::replace(&mut live, log.push(at(second), ()));
            log.remove(replaced, |announcement, ()| announcement == live);
            assert!(log.ring.len() <= 2 * STALE_MIN && log.len() == 1, "{} entries", log.ring.len());
        }
    }

    #[test]
    fn entries_in_the_order_of_time_are_in_the_ring() {
        let mut log = ExpiryLog::new();
        for second in [0, 1, 1, 2, 0, 3] {
            log.push(at(second), ());
        }
        assert_eq!((log.ring.len(), log.late.len()), (5, 1));
    }

    #[test]
    fn expiry_visits_only_due_entries() {
        let mut log = ExpiryLog::new();
        for second in 0..10_000 {
            log.push(at(second), second);
        }
        let visited = Cell::new(0);
        let is_live = |_, _: &i64| {
            visited.set(visited.get() + 1);
            true
        };
        let mut expire = |now| std::iter::from_fn(|| log.pop_first(|time| time <= now, is_live)).count();
        assert_eq!((expire(at(-1)), visited.take()), (0, 0));
        assert_eq!((expire(at(2)), visited.take()), (3, 3));
    }

    proptest! {
        /// The log returns the live entries as one ordered set of them does, whatever the order of their times.
        #[test]
        fn entries_leave_in_the_order_of_time(
            steps in prop::collection::vec((0..4_u8, 0..50_i64, any::<prop::sample::Index>()), 1..300),
        ) {
            let mut log = ExpiryLog::new();
            let mut live: BTreeSet<Announcement> = BTreeSet::new();
            for (step, second, index) in steps {
                match step {
                    0 | 1 => {
                        live.insert(log.push(at(second), ()));
                    }
                    2 if !live.is_empty() => {
                        let replaced = *index.get(&live.iter().copied().collect::<Vec<_>>());
                        live.remove(&replaced);
                        log.remove(replaced, |announcement, ()| live.contains(&announcement));
                    }
                    _ => {
                        let due = live.first().copied().filter(|first| first.at <= at(second));
                        let popped =
                            log.pop_first(|time| time <= at(second), |announcement, ()| live.contains(&announcement));
                        prop_assert_eq!(popped.is_some(), due.is_some());
                        due.map(|due| live.remove(&due));
                    }
                }
                prop_assert_eq!(log.len(), live.len());
            }
        }
    }
}
