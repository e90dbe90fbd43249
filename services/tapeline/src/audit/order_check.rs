//! Checks whether outputs keep the order of their inputs, by key.

use std::collections::HashMap;
use std::hash::Hash;

/// The highest output offset of each key.
pub(super) struct OrderCheck<K> {
    highest: HashMap<K, i64>,
}

impl<K: Hash + Eq> OrderCheck<K> {
    pub(super) fn new() -> Self {
        Self { highest: HashMap::new() }
    }

    /// Takes the output offset of the next input in order. Returns whether it is before that of an earlier input.
    pub(super) fn is_reordered(&mut self, key: K, offset: i64) -> bool {
        let highest = self.highest.entry(key).or_insert(offset);
        let is_reordered = offset < *highest;
        *highest = (*highest).max(offset);
        is_reordered
    }
}
