//! What became of the edge's items: in the terms of a stage, so that a report can put it beside the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chassis::telemetry::Scope;
use metrics::Counter;

use super::Outcome;
use crate::metric_names::ANSWERED;

/// Counts of items, for the report and for the metrics. Cloned freely.
#[derive(Clone)]
pub struct EdgeCounts(Arc<Inner>);

struct Inner {
    /// By the place of the outcome's name.
    answered: [Counter; Outcome::NAMES.len()],
    received: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// Items whose caller waits for an answer. When the caller goes away first, nobody learns of their end: they count as
/// rejected.
pub(super) struct Open {
    counts: EdgeCounts,
    items: u64,
}

impl EdgeCounts {
    /// Nothing counted yet; metrics go to `scope`.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self(Arc::new(Inner {
            answered: Outcome::NAMES.map(|name| scope.counter(&ANSWERED, &[("outcome", name)])),
            received: AtomicU64::default(),
            accepted: AtomicU64::default(),
            rejected: AtomicU64::default(),
        }))
    }

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
        let mut by_outcome = [0_u64; Outcome::NAMES.len()];
        for outcome in outcomes {
            by_outcome[outcome.index()] += 1;
        }
        for (counter, count) in self.counts.0.answered.iter().zip(by_outcome) {
            counter.increment(count);
        }
        let [accepted, ..] = by_outcome;
        self.counts.0.accepted.fetch_add(accepted, Ordering::AcqRel);
        self.items -= accepted.min(self.items);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counts.0.rejected.fetch_add(self.items, Ordering::AcqRel);
    }
}
