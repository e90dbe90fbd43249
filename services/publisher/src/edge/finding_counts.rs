//! Counts of the edge's findings, named as those of a stage, so that a report can list both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chassis::telemetry::Scope;
use metrics::Counter;

use super::outcome::Outcome;
use crate::metric_names::{FINDINGS, JSON_BYTES};

/// Counts of findings, for reports and metrics. Clones share the counts.
#[derive(Clone)]
pub struct EdgeCounts(Arc<Inner>);

struct Inner {
    /// In the order of [`Outcome::NAMES`].
    by_outcome: [Counter; Outcome::NAMES.len()],
    json_bytes: Counter,
    received: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// Findings of a request that has no response yet. If it is dropped first (the caller disconnected), they are in doubt: their outcome
/// is `unknown`, and all count as rejected.
pub(super) struct Pending {
    counts: EdgeCounts,
    /// Findings without an outcome.
    findings: u64,
}

impl EdgeCounts {
    /// Creates counts that are exported through `scope`.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self(Arc::new(Inner {
            by_outcome: Outcome::NAMES.map(|name| scope.counter(&FINDINGS, &[("outcome", name)])),
            json_bytes: scope.counter(&JSON_BYTES, &[]),
            received: AtomicU64::default(),
            accepted: AtomicU64::default(),
            rejected: AtomicU64::default(),
        }))
    }

    /// Findings of all requests whose number of findings is known.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Acquire)
    }

    /// Findings that the brokers acknowledged.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Acquire)
    }

    /// Findings with another outcome than accepted, or without a response.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.0.rejected.load(Ordering::Acquire)
    }

    /// Findings without an outcome yet. `received` is read after the others, so that the difference is never negative.
    #[must_use]
    pub fn held(&self) -> u64 {
        let resolved = self.accepted() + self.rejected();
        self.received().saturating_sub(resolved)
    }

    /// Counts the bytes that were read of a body.
    pub(super) fn read(&self, json_bytes: usize) {
        self.0.json_bytes.increment(json_bytes as u64);
    }

    pub(super) fn receive(&self, findings: usize) -> Pending {
        let findings = findings as u64;
        self.0.received.fetch_add(findings, Ordering::AcqRel);
        Pending { counts: self.clone(), findings }
    }
}

impl Pending {
    pub(super) fn resolve(self, outcomes: &[Outcome]) {
        let mut by_outcome = [0_u64; Outcome::NAMES.len()];
        for outcome in outcomes {
            by_outcome[outcome.index()] += 1;
        }
        self.count(by_outcome);
    }

    /// Resolves all findings with the outcome of this index.
    pub(super) fn reject(self, outcome: usize) {
        let mut by_outcome = [0_u64; Outcome::NAMES.len()];
        by_outcome[outcome] = self.findings;
        self.count(by_outcome);
    }

    fn count(mut self, by_outcome: [u64; Outcome::NAMES.len()]) {
        for (counter, count) in self.counts.0.by_outcome.iter().zip(by_outcome) {
            counter.increment(count);
        }
        let [accepted, rejected @ ..] = by_outcome;
        self.counts.0.accepted.fetch_add(accepted, Ordering::AcqRel);
        self.counts.0.rejected.fetch_add(rejected.iter().sum(), Ordering::AcqRel);
        self.findings = 0;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.findings > 0 {
            self.counts.0.by_outcome[Outcome::UNKNOWN].increment(self.findings);
            self.counts.0.rejected.fetch_add(self.findings, Ordering::AcqRel);
        }
    }
}
