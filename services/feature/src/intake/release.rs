//! Answers leave in the order in which their requests began, per key: workers finish in any order, P8 holds.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Holds back answers until those of all earlier requests under the same key are there.
#[derive(Debug)]
pub struct Release<K, A> {
    lines: HashMap<K, VecDeque<(u64, Option<A>)>>,
}

impl<K: Hash + Eq, A> Default for Release<K, A> {
    fn default() -> Self {
        Self { lines: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone, A> Release<K, A> {
    /// A request begins; `ticket` is its own.
    pub fn begin(&mut self, key: K, ticket: u64) {
        self.lines.entry(key).or_default().push_back((ticket, None));
    }

    /// Its answer is there: the answers that may leave now, in order. Unknown tickets (forgotten keys) give none.
    pub fn finish(&mut self, key: &K, ticket: u64, answer: A) -> Vec<A> {
        let Some(line) = self.lines.get_mut(key) else { return Vec::new() };
        if let Some(place) = line.iter_mut().find(|(t, _)| *t == ticket) {
            place.1 = Some(answer);
        }
        let mut released = Vec::new();
        while let Some((_, Some(_))) = line.front() {
            released.extend(line.pop_front().and_then(|(_, answer)| answer));
        }
        if line.is_empty() {
            self.lines.remove(key);
        }
        released
    }

    /// Forgets the keys for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.lines.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_order_per_key_whatever_order_they_come_in() {
        let mut release: Release<&str, u64> = Release::default();
        for ticket in 1..=3 {
            release.begin("a", ticket);
        }
        release.begin("b", 4);
        assert!(release.finish(&"a", 2, 20).is_empty());
        assert_eq!(release.finish(&"b", 4, 40), [40]);
        assert_eq!(release.finish(&"a", 1, 10), [10, 20]);
        assert_eq!(release.finish(&"a", 3, 30), [30]);
    }

    #[test]
    fn a_forgotten_key_releases_nothing() {
        let mut release: Release<&str, u64> = Release::default();
        release.begin("a", 1);
        release.retain(|key| *key != "a");
        assert!(release.finish(&"a", 1, 10).is_empty());
    }
}
