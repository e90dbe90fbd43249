//! Reorder buffer: workers complete requests in any order, results leave in the order in which the requests started, per key (P8).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Delays results until those of all requests that started earlier under the same key are available.
#[derive(Debug)]
pub struct ReorderBuffer<K, R> {
    /// The started requests of each key in order: ticket, and the result if it is available.
    started: HashMap<K, VecDeque<(u64, Option<R>)>>,
}

impl<K: Hash + Eq, R> Default for ReorderBuffer<K, R> {
    fn default() -> Self {
        Self { started: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone, R> ReorderBuffer<K, R> {
    /// Adds a started request. Tickets are unique.
    pub fn start(&mut self, key: K, ticket: u64) {
        self.started.entry(key).or_default().push_back((ticket, None));
    }

    /// Stores the result of a request and returns the results that may leave now, in order. An unknown key returns none.
    pub fn complete(&mut self, key: &K, ticket: u64, result: R) -> Vec<R> {
        let Some(started) = self.started.get_mut(key) else { return Vec::new() };
        if let Some(slot) = started.iter_mut().find(|(other, _)| *other == ticket) {
            slot.1 = Some(result);
        }
        let mut ready = Vec::new();
        while let Some((_, Some(_))) = started.front() {
            ready.extend(started.pop_front().and_then(|(_, result)| result));
        }
        if started.is_empty() {
            self.started.remove(key);
        }
        ready
    }

    /// Removes the keys for which `keep` is false, with their results.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.started.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_leave_in_start_order_per_key() {
        let mut buffer: ReorderBuffer<&str, u64> = ReorderBuffer::default();
        for ticket in 1..=3 {
            buffer.start("a", ticket);
        }
        buffer.start("b", 4);
        assert!(buffer.complete(&"a", 2, 20).is_empty());
        assert_eq!(buffer.complete(&"b", 4, 40), [40]);
        assert_eq!(buffer.complete(&"a", 1, 10), [10, 20]);
        assert_eq!(buffer.complete(&"a", 3, 30), [30]);
    }

    #[test]
    fn removed_key_returns_no_results() {
        let mut buffer: ReorderBuffer<&str, u64> = ReorderBuffer::default();
        buffer.start("a", 1);
        buffer.retain(|key| *key != "a");
        assert!(buffer.complete(&"a", 1, 10).is_empty());
    }
}
