//! What others may know of a running driver: counts, metrics, heartbeat, readiness.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use pipeline::{Counts, Law, Reason};

use super::restoring::Step;
use super::stage::Note;
use crate::metric_names as names;

/// One number of the engine's.
type Count = fn(&Counts) -> u64;

/// What became of the input records, by metric.
const COUNTED: [(&str, Count); 8] = [
    (names::RECEIVED, |counts| counts.received),
    (names::EMITTED, |counts| counts.emitted),
    (names::REJECTED, |counts| counts.rejected),
    (names::RETURNED, |counts| counts.returned),
    (names::GIVEN_BACK, |counts| counts.released),
    (names::FINISHED_BEFORE, |counts| counts.skipped_completed),
    (names::FINISHED_UNSAID, |counts| counts.finished_unsaid),
    (names::STALE_EFFECTS, |counts| counts.stale_effects),
];

/// What may become of a batch of outputs.
const OUTCOMES: [&str; 4] = ["committed", "delivered", "aborted", "failed"];

/// Calls from the driver's thread into the process around it. They must not block.
pub struct Hooks {
    /// Once each turn of the loop: the stage lives. About ten times a second at rest; a turn may block in calls to the cluster, each
    /// within the transaction's timeout or the bound of a question.
    pub heartbeat: Box<dyn FnMut() + Send>,
    /// When the stage becomes ready: nothing; when it isn't, or no longer: what it waits for.
    pub ready: Box<Readiness>,
    /// When the stage works with less than it should have, ready or not: why. When it has everything again: nothing.
    pub degraded: Box<Readiness>,
    /// Whether to give up the open transaction at this step: for a test of what an abort there does. Never, else.
    pub give_up: Box<GiveUp>,
}

/// What of a transaction is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// It is open, nothing is in it.
    Begun,
    /// Its outputs are handed to the client.
    Sent,
    /// Its offsets are in it: what is left is to commit it.
    OffsetsSent,
}

/// Says whether a transaction is given up.
pub type GiveUp = dyn FnMut(TransactionStep) -> bool + Send;

/// Hears what a stage waits for, or lacks: nothing once it is ready, or has everything.
pub type Readiness = dyn FnMut(Option<&str>) + Send;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            heartbeat: Box::new(|| {}),
            ready: Box::new(|_| {}),
            degraded: Box::new(|_| {}),
            give_up: Box::new(|_| false),
        }
    }
}

/// A stage's counts, as its driver last saw them. Cloned freely.
#[derive(Clone, Default)]
pub struct StageCounts(Arc<Mutex<Seen>>);

/// What a driver sees of its stage.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What became of the input records.
    pub counts: Counts,
    /// Input records that wait in the assigned partitions beyond those received.
    pub waiting: u64,
    /// How long the oldest input record has been waiting that isn't settled.
    pub oldest: Duration,
    /// Input records that may be held before every partition pauses.
    pub held_max: u64,
    /// Assigned input partitions that are paused: a bound is reached, or they are stopped_partitions or deferred.
    pub paused: usize,
    /// Assigned input partitions.
    pub partitions: usize,
    /// Records read of the tables.
    pub table_records: u64,
    /// Partitions of the tables that are still loading.
    pub tables_loading: usize,
    /// Broken laws of delivery: never, or there is a bug.
    pub violations: u64,
    /// Assigned input partitions of which nothing more is read, for too many rejects in a row.
    pub stopped_partitions: usize,
    /// Assigned input partitions whose state is being restored.
    pub restoring: usize,
    /// Assigned input partitions whose records can't be judged now: they are paused until the cause has passed.
    pub deferred: usize,
    /// Input partitions in which records wait behind an open transaction of somebody else.
    pub blocked: usize,
    /// Times that records waited while the client fetched none, since the driver was made.
    pub stalls: u64,
    /// Partitions of the tables in which a record was skipped since they are followed.
    pub degraded: usize,
    /// What was skipped, in words, when anything was.
    pub degraded_by: Option<String>,
    /// Whether the stage is ready.
    pub ready: bool,
    /// Why it isn't, when it isn't.
    pub waits_for: String,
}

impl StageCounts {
    /// The latest.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, seen: &Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(seen);
    }
}

/// Handles made once; everything is recorded by the turn of the loop, never by the record.
pub(super) struct Observer {
    pub(super) hooks: Hooks,
    pub(super) counts: StageCounts,
    fetched: Histogram,
    produced: Histogram,
    pub(super) commit_ms: Histogram,
    pub(super) rebuilds: Counter,
    stalls: Counter,
    restored: Counter,
    restore_ms: Histogram,
    restoring: Gauge,
    deferred: Gauge,
    degraded: Gauge,
    blocked: Gauge,
    labels: Labels,
    /// In the order of [`COUNTED`].
    counted: [Counter; 8],
    /// In the order of [`Law::ALL`]: there from the start, so that a law that holds shows as 0.
    violations: [Counter; 8],
    table_records: Counter,
    held: Gauge,
    held_max: Gauge,
    paused: Gauge,
    lag: Gauge,
    lag_seconds: Gauge,
    pub(super) spent_budgets: Counter,
    partitions: Gauge,
    stopped_partitions: Gauge,
    batches: [(&'static str, Counter); 4],
    dropped: Vec<(Reason, Counter)>,
    notes: Vec<(&'static str, Gauge)>,
    told: Seen,
    told_violations: [u64; 8],
}

#[derive(Clone, Copy)]
struct Labels {
    service: &'static str,
    stage: &'static str,
}

#[expect(
    clippy::disallowed_macros,
    reason = "below the chassis: the catalogue is metric_names, each handle is made once"
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
}

impl Observer {
    pub(super) fn new(service: &'static str, stage: &'static str, hooks: Hooks) -> Self {
        let labels = Labels { service, stage };
        Self {
            hooks,
            counts: StageCounts::default(),
            fetched: labels.histogram(names::FETCHED),
            produced: labels.histogram(names::PRODUCED),
            commit_ms: labels.histogram(names::COMMIT_MS),
            rebuilds: labels.counter(names::REBUILDS),
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
            paused: labels.gauge(names::PAUSED),
            lag: labels.gauge(names::LAG),
            lag_seconds: labels.gauge(names::LAG_SECONDS),
            spent_budgets: labels.counter(names::SPENT_BUDGETS),
            partitions: labels.gauge(names::PARTITIONS),
            stopped_partitions: labels.gauge(names::POISONED),
            batches: OUTCOMES.map(|outcome| (outcome, labels.counter_by(names::BATCHES, "outcome", outcome))),
            dropped: Vec::new(),
            notes: Vec::new(),
            told: Seen::default(),
            told_violations: [0; 8],
        }
    }

    /// This many records are judged at once.
    pub(super) fn fetched(&self, records: usize) {
        self.fetched.record(approximately(records as u64));
    }

    /// This many outputs leave together.
    pub(super) fn produced(&self, records: usize) {
        self.produced.record(approximately(records as u64));
    }

    /// What one turn of restoring has brought.
    pub(super) fn restored(&self, step: &Step) {
        if step.records > 0 {
            self.restored.increment(step.records);
        }
        for took in &step.took {
            self.restore_ms.record(took.as_secs_f64() * 1_000.0);
        }
    }

    /// One batch of outputs more, by outcome.
    pub(super) fn batch(&self, outcome: &'static str) {
        if let Some((_, counter)) = self.batches.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
        }
    }

    /// Tells what the stage itself has counted; a handle is made when a name is first seen.
    pub(super) fn note(&mut self, notes: &[Note]) {
        for Note { name, value } in notes {
            let gauge = match self.notes.iter().position(|(known, _)| known == name) {
                Some(index) => &self.notes[index].1,
                None => {
                    let gauge = self.labels.gauge_by(names::NOTES, "note", name);
                    &self.notes.push_mut((name, gauge)).1
                }
            };
            gauge.set(approximately(*value));
        }
    }

    /// Tells what has changed since it was told last.
    pub(super) fn tell(&mut self, seen: Seen, violations: [u64; 8]) {
        let (now, before) = (&seen.counts, &self.told.counts);
        for (counter, (_, count)) in self.counted.iter().zip(COUNTED) {
            counter.increment(count(now).saturating_sub(count(before)));
        }
        self.table_records.increment(seen.table_records.saturating_sub(self.told.table_records));
        for (reason, count) in now.dropped.iter() {
            let counter = match self.dropped.iter().position(|(known, _)| *known == reason) {
                Some(index) => &self.dropped[index].1,
                None => {
                    let counter = self.labels.counter_by(names::DROPPED, "reason", reason.0);
                    &self.dropped.push_mut((reason, counter)).1
                }
            };
            // The counter is ours alone, so it can be set to what the engine has counted.
            counter.absolute(count);
        }
        for (index, law) in Law::ALL.iter().enumerate() {
            let more = violations[index].saturating_sub(self.told_violations[index]);
            if more > 0 {
                self.violations[index].increment(more);
                tracing::error!(law = law.id(), statement = law.statement(), "a law of delivery is broken");
            }
        }
        self.told_violations = violations;
        self.held.set(approximately(now.held));
        self.held_max.set(approximately(seen.held_max));
        self.paused.set(approximately(seen.paused as u64));
        self.lag.set(approximately(seen.waiting + now.held));
        self.lag_seconds.set(seen.oldest.as_secs_f64());
        self.partitions.set(approximately(seen.partitions as u64));
        self.stopped_partitions.set(approximately(seen.stopped_partitions as u64));
        self.stalls.absolute(seen.stalls);
        self.restoring.set(approximately(seen.restoring as u64));
        self.deferred.set(approximately(seen.deferred as u64));
        self.degraded.set(approximately(seen.degraded as u64));
        self.blocked.set(approximately(seen.blocked as u64));
        if (seen.ready, &seen.waits_for) != (self.told.ready, &self.told.waits_for) {
            (self.hooks.ready)((!seen.ready).then_some(&seen.waits_for));
        }
        if seen.degraded_by != self.told.degraded_by {
            (self.hooks.degraded)(seen.degraded_by.as_deref());
        }
        self.counts.set(&seen);
        self.told = seen;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of records: exact up to 2^53")]
fn approximately(records: u64) -> f64 {
    records as f64
}
