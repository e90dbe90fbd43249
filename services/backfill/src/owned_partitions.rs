//! The partitions that the executor of this instance owns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared between the executor, which changes it, and the ledger. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct OwnedPartitions {
    numbers: Arc<Mutex<BTreeSet<i32>>>,
}

impl OwnedPartitions {
    /// Adds a partition that was assigned.
    pub fn add(&self, partition: i32) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).insert(partition);
    }

    /// Removes a partition that was revoked or lost.
    pub fn remove(&self, partition: i32) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    /// Returns the partitions that are owned now.
    #[must_use]
    pub fn get(&self) -> BTreeSet<i32> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
