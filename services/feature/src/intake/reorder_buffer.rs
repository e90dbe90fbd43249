//! Reorder buffer: workers complete requests in any order, results leave in the order in which the requests started, per key (P8).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A started request: its ticket, and the result with its memory if that is available.
type Started<R> = (u64, Option<(R, usize)>);

/// Delays results until those of all requests that started earlier under the same key are available.
#[derive(Debug)]
pub struct ReorderBuffer<K, R> {
    /// The started requests of each key in order: ticket, and the result if it is available.
    started: HashMap<K, VecDeque<Started<R>>>,
    waiting_bytes: usize,
}

impl<K: Hash + Eq, R> Default for ReorderBuffer<K, R> {
    fn default() -> Self {
        Self { started: HashMap::new(), waiting_bytes: 0 }
    }
}

impl<K: Hash + Eq + Clone, R> ReorderBuffer<K, R> {
    /// Adds a started request. Tickets are unique.
    pub fn start(&mut self, key: K, ticket: u64) {
        self.started.entry(key).or_default().push_back((ticket, None));
    }

    /// Stores the result of a request, which has this memory, and returns the results that may leave now, in order. An unknown key returns
    /// none.
    pub fn complete(&mut self, key: &K, ticket: u64, (result, bytes): (R, usize)) -> Vec<R> {
        let Some(started) = self.started.get_mut(key) else { return Vec::new() };
        if let Some(slot) = started.iter_mut().find(|(other, _)| *other == ticket) {
            slot.1 = Some((result, bytes));
            self.waiting_bytes += bytes;
        }
        let mut ready = Vec::new();
        while let Some((_, Some(_))) = started.front() {
            if let Some((result, bytes)) = started.pop_front().and_then(|(_, result)| result) {
                self.waiting_bytes -= bytes;
                ready.push(result);
            }
        }
        if started.is_empty() {
            self.started.remove(key);
        }
        ready
    }

    /// Removes the keys for which `keep` is false, with their results.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.started.retain(|key, _| keep(key));
        let results = self.started.values().flatten().filter_map(|(_, result)| result.as_ref());
        self.waiting_bytes = results.map(|(_, bytes)| bytes).sum();
    }

    /// Returns the memory of the results that wait for an earlier one.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
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
        assert!(buffer.complete(&"a", 2, (20, 200)).is_empty());
        assert_eq!(buffer.complete(&"b", 4, (40, 400)), [40]);
        assert_eq!(buffer.waiting_bytes(), 200);
        assert_eq!(buffer.complete(&"a", 1, (10, 100)), [10, 20]);
        assert_eq!(buffer.complete(&"a", 3, (30, 300)), [30]);
        assert_eq!(buffer.waiting_bytes(), 0);
    }

    #[test]
    fn removed_key_returns_no_results() {
        let mut buffer: ReorderBuffer<&str, u64> = ReorderBuffer::default();
        buffer.start("a", 1);
        buffer.start("a", 2);
        assert!(buffer.complete(&"a", 2, (20, 200)).is_empty());
        buffer.retain(|key| *key != "a");
        assert!(buffer.complete(&"a", 1, (10, 100)).is_empty());
        assert_eq!(buffer.waiting_bytes(), 0);
    }
}
