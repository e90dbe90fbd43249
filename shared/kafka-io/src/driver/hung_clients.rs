//! Clients whose calls have not returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

const IN_USE: u8 = 0;
const ABANDONED: u8 = 1;
const DESTROYED: u8 = 2;

/// The number of clients of the process that are left running because a call to them has not returned. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct HungClients(Arc<AtomicU32>);

/// State of one client: in use, abandoned or destroyed. Clones share it.
#[derive(Clone, Default)]
pub(super) struct ClientState {
    state: Arc<AtomicU8>,
    /// Includes this client from its abandonment until it is destroyed.
    hung: HungClients,
}

impl HungClients {
    /// Returns the current number.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

impl ClientState {
    pub(super) fn new(hung: HungClients) -> Self {
        Self { hung, ..Self::default() }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::Acquire) == ABANDONED
    }

    /// Returns `false` if the client is already destroyed.
    pub(super) fn abandon(&self) -> bool {
        // Before the state, so that the count is never below zero.
        self.hung.0.fetch_add(1, Ordering::AcqRel);
        let changed = self.state.compare_exchange(IN_USE, ABANDONED, Ordering::AcqRel, Ordering::Acquire);
        if changed.is_err() {
            self.hung.0.fetch_sub(1, Ordering::AcqRel);
        }
        changed.is_ok()
    }

    pub(super) fn destroyed(&self) {
        if self.state.swap(DESTROYED, Ordering::AcqRel) == ABANDONED {
            self.hung.0.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
