//! What became of the edge's items: in the terms of a stage, so that a report can put it beside the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Outcome;

/// Counts of items. Cloned freely.
#[derive(Debug, Clone, Default)]
pub struct EdgeCounts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    received: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// Items whose caller waits for an answer. When the caller goes away first, nobody learns of their end: they count as
/// rejected.
#[derive(Debug)]
pub(super) struct Open {
    counts: EdgeCounts,
    items: u64,
}

impl EdgeCounts {
    /// Items taken in.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Acquire)
    }

    /// Items that the brokers acknowledged.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Acquire)
    }

    /// Items whose caller was told that they were not accepted.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.0.rejected.load(Ordering::Acquire)
    }

    /// Items whose caller waits. Read after the others, so that it is never negative.
    #[must_use]
    pub fn held(&self) -> u64 {
        let settled = self.accepted() + self.rejected();
        self.received().saturating_sub(settled)
    }

    pub(super) fn open(&self, items: usize) -> Open {
        let items = items as u64;
        self.0.received.fetch_add(items, Ordering::AcqRel);
        Open { counts: self.clone(), items }
    }
}

impl Open {
    pub(super) fn close(mut self, outcomes: &[Outcome]) {
        let accepted = outcomes.iter().filter(|o| matches!(o, Outcome::Accepted { .. })).count() as u64;
        self.counts.0.accepted.fetch_add(accepted, Ordering::AcqRel);
        self.items -= accepted.min(self.items);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counts.0.rejected.fetch_add(self.items, Ordering::AcqRel);
    }
}
