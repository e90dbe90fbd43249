//! Whether outputs kept the order of their causes, per key.

use std::collections::HashMap;
use std::hash::Hash;

/// The highest position that was seen under each key.
pub(super) struct Order<K> {
    highest: HashMap<K, i64>,
}

impl<K: Hash + Eq> Order<K> {
    pub(super) fn new() -> Self {
        Self { highest: HashMap::new() }
    }

    /// Whether this position, of the next cause in order, comes before that of an earlier one.
    pub(super) fn is_late(&mut self, key: K, position: i64) -> bool {
        let highest = self.highest.entry(key).or_insert(position);
        let is_late = position < *highest;
        *highest = (*highest).max(position);
        is_late
    }
}
