//! Hash table of windows. Tests count the windows that are visited: no method visits a window without counting it.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// The windows `W` by key.
#[derive(Debug)]
pub(super) struct WindowTable<K, W> {
    by_key: HashMap<K, W, RandomState>,
    #[cfg(test)]
    pub(super) visited: std::cell::Cell<usize>,
}

impl<K: Eq + Hash, W> WindowTable<K, W> {
    pub(super) fn new() -> Self {
        Self {
            by_key: HashMap::default(),
            #[cfg(test)]
            visited: std::cell::Cell::new(0),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&W> {
        self.visit(1);
        self.by_key.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut W> {
        self.visit(1);
        self.by_key.get_mut(key)
    }

    /// Returns the replaced window.
    pub(super) fn insert(&mut self, key: K, window: W) -> Option<W> {
        self.visit(1);
        self.by_key.insert(key, window)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<W> {
        self.visit(1);
        self.by_key.remove(key)
    }

    /// Visits all windows.
    pub(super) fn retain(&mut self, keep: impl FnMut(&K, &mut W) -> bool) {
        self.visit(self.len());
        self.by_key.retain(keep);
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    #[cfg(not(test))]
    const fn visit(&self, _windows: usize) {}

    #[cfg(test)]
    fn visit(&self, windows: usize) {
        self.visited.set(self.visited.get() + windows);
    }
}
