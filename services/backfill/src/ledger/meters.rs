//! Metrics of the ledger.

use chassis::telemetry::Scope;
use kit::SaturatingFrom;
use metrics::{Counter, Gauge};

use super::batch::Batch;
use crate::metric_names::{LEDGER_LAG, LEDGER_ROWS, LEDGER_SKIPPED, LEDGER_TRANSACTIONS};

/// Handles of the ledger's metrics.
#[derive(Debug, Clone)]
pub struct LedgerMeters {
    lag: Gauge,
    committed: Counter,
    failed: Counter,
    rows: Counter,
    skipped: Counter,
}

impl LedgerMeters {
    /// Registers the metrics.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let lag = scope.gauge(&LEDGER_LAG, &[]);
        lag.set(f64::NAN);
        Self {
            lag,
            committed: scope.counter(&LEDGER_TRANSACTIONS, &[("outcome", "committed")]),
            failed: scope.counter(&LEDGER_TRANSACTIONS, &[("outcome", "failed")]),
            rows: scope.counter(&LEDGER_ROWS, &[]),
            skipped: scope.counter(&LEDGER_SKIPPED, &[]),
        }
    }

    pub(super) fn written(&self, batch: &Batch) {
        self.committed.increment(1);
        self.rows.increment(u64::saturating_from(batch.jobs.len() + batch.series.len()));
        self.skipped.increment(batch.skipped);
    }

    /// Counts a failure. The lag is unknown until the next read.
    pub(super) fn failed(&self) {
        self.failed.increment(1);
        self.lag.set(f64::NAN);
    }

    pub(super) fn lag(&self, records: i64) {
        // Exact below 2^53 records.
        #[expect(clippy::cast_precision_loss, reason = "a lag has fewer records")]
        self.lag.set(records as f64);
    }
}
