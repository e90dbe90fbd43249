//! Observability of a running driver: its status, metrics and hooks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use pipeline::{Counts, Law, Reason};

use super::hooks::Hooks;
use super::restoring::Restored;
use super::stage::{Bound, Note};
use crate::broker_monitor::BrokerMonitor;
use crate::fetch_monitor::FetchMonitor;
use crate::metric_names as names;

/// Selects one of the engine's counts.
type Count = fn(&Counts) -> u64;

/// The engine's counts of input records and of originated outputs, by metric.
const COUNTED: [(&str, Count); 11] = [
    (names::RECEIVED, |counts| counts.received),
    (names::EMITTED, |counts| counts.emitted),
    (names::REJECTED, |counts| counts.rejected),
    (names::REDELIVERED, |counts| counts.redelivered),
    (names::RELEASED, |counts| counts.released),
    (names::SKIPPED_COMPLETED, |counts| counts.skipped_completed),
    (names::COMMIT_METADATA_OVERFLOWS, |counts| counts.commit_metadata_overflows),
    (names::STALE_EFFECTS, |counts| counts.stale_effects),
    (names::ORIGINATED, |counts| counts.originated.total),
    (names::ORIGINATED_ACKNOWLEDGED, |counts| counts.originated.acknowledged),
    (names::ORIGINATED_DISCARDED, |counts| counts.originated.discarded),
];

/// The latest status of a stage. Cheap to clone.
#[derive(Clone, Default)]
pub struct StageCounts(Arc<Mutex<StageStatus>>);

/// The status of a stage.
#[derive(Debug, Clone, Default)]
pub struct StageStatus {
    /// The engine's counts of input records and of originated outputs.
    pub counts: Counts,
    /// Input records of the assigned partitions that are not fetched yet.
    pub lag: u64,
    /// Age of the oldest unresolved input record.
    pub oldest: Duration,
    /// `true` if the ends of all assigned partitions are known: otherwise lag and age are too small.
    pub ends_known: bool,
    /// Input records that may be held before every partition is paused.
    pub held_max: u64,
    /// The bounds of the engine, then those of the stage.
    pub bounds: Vec<Bound>,
    /// Assigned input partitions that are paused, because a bound is reached or because they are stopped or deferred.
    pub paused: usize,
    /// Assigned input partitions.
    pub partitions: usize,
    /// Table records read since the driver was created.
    pub table_records: u64,
    /// Table partitions that are still loading.
    pub tables_loading: usize,
    /// Violations of the laws of delivery; above 0 only because of a bug.
    pub violations: u64,
    /// Assigned input partitions that are stopped after too many consecutive dead letters.
    pub stopped_partitions: usize,
    /// Assigned input partitions whose state is being restored.
    pub restoring: usize,
    /// Assigned input partitions that are paused because a record cannot be decoded yet.
    pub deferred: usize,
    /// Input partitions that are blocked by another producer's open transaction.
    pub blocked: usize,
    /// Stalls of the consumer since the driver was created.
    pub stalls: u64,
    /// Table partitions in which a record was skipped since they are followed.
    pub degraded: usize,
    /// Description of the skipped table records. `None` if there are none.
    pub degraded_by: Option<String>,
    /// Whether the stage is ready.
    pub ready: bool,
    /// The reason why the stage is not ready; empty if it is.
    pub unready_cause: String,
}

impl StageCounts {
    /// Returns the latest status.
    #[must_use]
    pub fn latest(&self) -> StageStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, status: &StageStatus) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(status);
    }
}

/// The metric handles of a stage, each created once. Values are recorded once per iteration of the loop, never once per record.
pub(super) struct Observer {
    pub(super) hooks: Hooks,
    pub(super) counts: StageCounts,
    pub(super) brokers: BrokerMonitor,
    pub(super) fetches: FetchMonitor,
    fetched: Histogram,
    produced: Histogram,
    pub(super) commit_ms: Histogram,
    pub(super) client_recreations: Counter,
    pub(super) abandoned_clients: Counter,
    stalls: Counter,
    restored: Counter,
    restore_ms: Histogram,
    restoring: Gauge,
    deferred: Gauge,
    degraded: Gauge,
    blocked: Gauge,
    labels: Labels,
    /// In the order of [`COUNTED`].
    counted: [Counter; 11],
    /// In the order of [`Law::ALL`]: registered from the start, so that a law without violations is exported as 0.
    violations: [Counter; 8],
    table_records: Counter,
    held: Gauge,
    held_max: Gauge,
    /// Use and limit, by name.
    bounds: Vec<(&'static str, Gauge, Gauge)>,
    paused: Gauge,
    lag: Gauge,
    lag_seconds: Gauge,
    pub(super) drain_timeouts: Counter,
    partitions: Gauge,
    stopped_partitions: Gauge,
    batches: [(&'static str, Counter); 4],
    dropped: Vec<(Reason, Counter)>,
    notes: Vec<(&'static str, NoteHandle)>,
    published: StageStatus,
    published_violations: [u64; 8],
}

/// The handle of a stage's own metric.
enum NoteHandle {
    Counter(Counter),
    Gauge(Gauge),
}

#[derive(Clone, Copy)]
struct Labels {
    service: &'static str,
    stage: &'static str,
}

#[expect(
    clippy::disallowed_macros,
    reason = "this crate cannot use the chassis: metric_names is its catalogue, and each handle is created once"
)]
impl Labels {
    fn counter(self, name: &'static str) -> Counter {
        metrics::counter!(name, "service" => self.service, "stage" => self.stage)
    }

    fn counter_by(self, name: &'static str, label: &'static str, value: &'static str) -> Counter {
        metrics::counter!(name, "service" => self.service, "stage" => self.stage, label => value)
    }

    fn gauge(self, name: &'static str) -> Gauge {
        metrics::gauge!(name, "service" => self.service, "stage" => self.stage)
    }

    fn gauge_by(self, name: &'static str, label: &'static str, value: &'static str) -> Gauge {
        metrics::gauge!(name, "service" => self.service, "stage" => self.stage, label => value)
    }

    fn histogram(self, name: &'static str) -> Histogram {
        metrics::histogram!(name, "service" => self.service, "stage" => self.stage)
    }

    fn bound(self, bound: &'static str) -> (&'static str, Gauge, Gauge) {
        let gauge = |name| self.gauge_by(name, "bound", bound);
        (bound, gauge(names::BOUND_USED), gauge(names::BOUND_LIMIT))
    }

    fn note(self, name: &'static str) -> NoteHandle {
        match name.ends_with("_total") {
            true => NoteHandle::Counter(self.counter(name)),
            false => NoteHandle::Gauge(self.gauge(name)),
        }
    }
}

impl Observer {
    pub(super) fn new(
        service: &'static str,
        stage: &'static str,
        mut hooks: Hooks,
        fetches: FetchMonitor,
    ) -> Self {
        let labels = Labels { service, stage };
        let (lag, lag_seconds) = (labels.gauge(names::LAG), labels.gauge(names::LAG_SECONDS));
        let unreachable = std::mem::replace(&mut hooks.unreachable, Box::new(|_| {}));
        let dependent = vec![lag.clone(), lag_seconds.clone()];
        Self {
            hooks,
            counts: StageCounts::default(),
            brokers: BrokerMonitor::with_dependent(service, stage, unreachable, dependent),
            fetches,
            fetched: labels.histogram(names::FETCHED),
            produced: labels.histogram(names::PRODUCED),
            commit_ms: labels.histogram(names::COMMIT_MS),
            client_recreations: labels.counter(names::CLIENT_RECREATIONS),
            abandoned_clients: labels.counter(names::ABANDONED_CLIENTS),
            stalls: labels.counter(names::STALLS),
            restored: labels.counter(names::RESTORED),
            restore_ms: labels.histogram(names::RESTORE_MS),
            restoring: labels.gauge(names::RESTORING),
            deferred: labels.gauge(names::DEFERRED),
            degraded: labels.gauge(names::DEGRADED),
            blocked: labels.gauge(names::BLOCKED),
            labels,
            counted: COUNTED.map(|(name, _)| labels.counter(name)),
            violations: Law::ALL.map(|law| labels.counter_by(names::VIOLATIONS, "law", law.id())),
            table_records: labels.counter(names::TABLE_RECORDS),
            held: labels.gauge(names::HELD),
            held_max: labels.gauge(names::HELD_MAX),
            bounds: names::BOUNDS.map(|bound| labels.bound(bound)).to_vec(),
            paused: labels.gauge(names::PAUSED),
            lag,
            lag_seconds,
            drain_timeouts: labels.counter(names::DRAIN_TIMEOUTS),
            partitions: labels.gauge(names::PARTITIONS),
            stopped_partitions: labels.gauge(names::STOPPED),
            batches: names::BATCH_OUTCOMES
                .map(|outcome| (outcome, labels.counter_by(names::BATCHES, "outcome", outcome))),
            dropped: Vec::new(),
            notes: Vec::new(),
            published: StageStatus::default(),
            published_violations: [0; 8],
        }
    }

    /// Records the number of records that were fetched in one iteration.
    pub(super) fn fetched(&self, records: usize) {
        self.fetched.record(approximately(records as u64));
    }

    /// Records the number of outputs of a batch.
    pub(super) fn produced(&self, records: usize) {
        self.produced.record(approximately(records as u64));
    }

    pub(super) fn restored(&self, restored: &Restored) {
        if restored.records > 0 {
            self.restored.increment(restored.records);
        }
        for duration in &restored.durations {
            self.restore_ms.record(duration.as_secs_f64() * 1_000.0);
        }
    }

    /// Counts a batch of outputs by its outcome, one of [`names::BATCH_OUTCOMES`].
    pub(super) fn batch(&self, outcome: &'static str) {
        if let Some((_, counter)) = self.batches.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
        }
    }

    /// Records the stage's own metrics. The handle of a name is created when the name first occurs.
    pub(super) fn record_notes(&mut self, notes: &[Note]) {
        for Note { name, value } in notes {
            let handle = match self.notes.iter().position(|(known, _)| known == name) {
                Some(index) => &self.notes[index].1,
                None => &self.notes.push_mut((name, self.labels.note(name))).1,
            };
            match handle {
                NoteHandle::Counter(counter) => counter.absolute(*value),
                NoteHandle::Gauge(gauge) => gauge.set(approximately(*value)),
            }
        }
    }

    /// Records the bounds. The handles of a name are created when the name first occurs.
    fn record_bounds(&mut self, bounds: &[Bound]) {
        for bound in bounds {
            let (_, used, limit) = match self.bounds.iter().position(|(known, ..)| *known == bound.name) {
                Some(index) => &self.bounds[index],
                None => self.bounds.push_mut(self.labels.bound(bound.name)),
            };
            used.set(approximately(bound.used));
            limit.set(approximately(bound.limit));
        }
    }

    /// Publishes the status: updates the metrics, calls the hooks if readiness or degradation has changed, and sets [`StageCounts`].
    pub(super) fn publish(&mut self, status: StageStatus, violations: [u64; 8]) {
        self.record_counts(&status);
        self.record_violations(violations);
        self.held.set(approximately(status.counts.held));
        self.held_max.set(approximately(status.held_max));
        self.record_bounds(&status.bounds);
        self.paused.set(approximately(status.paused as u64));
        self.record_lag(&status);
        self.partitions.set(approximately(status.partitions as u64));
        self.stopped_partitions.set(approximately(status.stopped_partitions as u64));
        self.stalls.absolute(status.stalls);
        self.restoring.set(approximately(status.restoring as u64));
        self.deferred.set(approximately(status.deferred as u64));
        self.degraded.set(approximately(status.degraded as u64));
        self.blocked.set(approximately(status.blocked as u64));
        if (status.ready, &status.unready_cause) != (self.published.ready, &self.published.unready_cause) {
            (self.hooks.ready)((!status.ready).then_some(&status.unready_cause));
        }
        if status.degraded_by != self.published.degraded_by {
            (self.hooks.degraded)(status.degraded_by.as_deref());
        }
        self.counts.set(&status);
        self.published = status;
    }

    /// Records the lag; NaN, unknown, while the end of an assigned partition is.
    fn record_lag(&self, status: &StageStatus) {
        let (records, seconds) = match status.ends_known {
            true => (approximately(status.lag + status.counts.held), status.oldest.as_secs_f64()),
            false => (f64::NAN, f64::NAN),
        };
        self.lag.set(records);
        self.lag_seconds.set(seconds);
        // The monitor sets its flag before these gauges: if it did so meanwhile, the values above were old.
        if status.ends_known && self.brokers.is_unreachable() {
            self.lag.set(f64::NAN);
            self.lag_seconds.set(f64::NAN);
        }
    }

    fn record_counts(&mut self, status: &StageStatus) {
        let (now, before) = (&status.counts, &self.published.counts);
        for (counter, (_, count)) in self.counted.iter().zip(COUNTED) {
            counter.increment(count(now).saturating_sub(count(before)));
        }
        self.table_records.increment(status.table_records.saturating_sub(self.published.table_records));
        for (reason, count) in now.dropped.iter() {
            let counter = match self.dropped.iter().position(|(known, _)| *known == reason) {
                Some(index) => &self.dropped[index].1,
                None => {
                    let counter = self.labels.counter_by(names::DROPPED, "reason", reason.0);
                    &self.dropped.push_mut((reason, counter)).1
                }
            };
            // No other code increments this counter, so it can be set to the engine's count.
            counter.absolute(count);
        }
    }

    fn record_violations(&mut self, violations: [u64; 8]) {
        for (index, law) in Law::ALL.iter().enumerate() {
            let more = violations[index].saturating_sub(self.published_violations[index]);
            if more > 0 {
                self.violations[index].increment(more);
                tracing::error!(law = law.id(), statement = law.statement(), "law of delivery violated");
            }
        }
        self.published_violations = violations;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of records: exact up to 2^53")]
fn approximately(records: u64) -> f64 {
    records as f64
}
