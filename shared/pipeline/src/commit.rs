//! Requests to Kafka: one batch or one plain commit at a time, and the effect of its outcome.

use std::time::Duration;

use kit::{Backoff, SaturatingFrom};

use crate::commit_metadata::CommitPoint;
use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{BatchId, InputPartition, Now};
use crate::laws::{Law, LawChecks};
use crate::ledger::{Ledger, Outcome, Phase};
use crate::outbox::{Batch, CommitIntent, Ends, OutboxLoad};
use crate::stage::Stage;

/// State of plain commits.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// The positions of the plain commit in flight.
    in_flight: Option<Vec<CommitIntent>>,
    /// Monotonic time of the last commit request, plain or within a transaction.
    last: Option<Duration>,
}

/// Pause after a failed batch or commit. The first retry is immediate, because a rebalance is the usual cause; the second waits 20 ms,
/// and the wait doubles up to 1.28 s.
#[derive(Debug)]
pub(crate) struct RetryPause {
    backoff: Backoff,
    until: Duration,
}

impl Default for RetryPause {
    fn default() -> Self {
        let backoff = Backoff::immediate_then(Duration::from_millis(20), Duration::from_millis(1_280));
        Self { backoff, until: Duration::ZERO }
    }
}

impl RetryPause {
    fn failed(&mut self, now: Duration) {
        self.until = now + self.backoff.fail();
    }
}

impl<S: Stage> Engine<S> {
    /// Returns whether no batch and no commit is in flight.
    pub(crate) fn idle(&self) -> bool {
        self.outbox.in_flight().is_none() && self.commits.in_flight.is_none()
    }

    pub(crate) fn send_next(&mut self, now: Now) {
        if !self.idle() {
            return;
        }
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now.monotonic);
        let (batch, commit) = (due(self.batch_due()), due(self.commit_due()));
        // In at-least-once mode a plain commit goes first, because a steady stream of batches would starve it. A transaction
        // commits the moved offsets anyway.
        if commit && !(batch && self.is_transactional()) {
            self.start_commit(now);
        } else if batch {
            self.start_batch(now);
        }
    }

    /// Returns when the queued outputs are due. They are due at once if the last fetch was empty, an output is urgent, the batch is
    /// full, a batch was retried or a drain is active.
    pub(crate) fn batch_due(&self) -> Option<Duration> {
        let oldest = self.outbox.oldest()?;
        let retried = self.retry_pause.backoff.failures() > 0;
        let closed = self.drained_fetch
            || retried
            || self.outbox.is_urgent()
            || self.drains.is_active()
            || self.outbox.waiting_load().reaches(self.batch_max());
        let due = if closed { oldest } else { oldest + self.options.batch_age_max };
        Some(due.max(self.retry_pause.until))
    }

    fn batch_max(&self) -> OutboxLoad {
        OutboxLoad { outputs: self.options.batch_outputs_max, bytes: self.options.batch_bytes_max }
    }

    /// Returns when moved positions are committed without a batch.
    pub(crate) fn commit_due(&self) -> Option<Duration> {
        let mut moved = self.ledgers.values().filter(|ledger| ledger.moved()).peekable();
        moved.peek()?;
        let leaving = moved.any(|ledger| ledger.phase != Phase::Owned);
        let paced = match self.commits.last {
            Some(last) if !leaving => last + self.options.commit_interval,
            _ => Duration::ZERO,
        };
        Some(paced.max(self.retry_pause.until))
    }

    fn start_batch(&mut self, now: Now) {
        let transactional = self.is_transactional();
        let batch = self.outbox.close(self.batch_max());
        let (id, end) = (batch.id, batch.end());
        let all_assigned = batch.emissions.iter().all(|emission| {
            self.ledgers.get(&emission.input).is_some_and(|ledger| ledger.epoch == emission.epoch)
        });
        self.laws.check(Law::NoLateEffects, all_assigned);
        let sequences = batch.emissions.iter().map(|emission| emission.sequence);
        self.laws.check(Law::Order, sequences.is_sorted_by(|a, b| a < b));
        if !transactional {
            return self.actions.push_back(Action::Produce { batch: id });
        }
        let mut positions = Vec::new();
        for (input, ledger) in &mut self.ledgers {
            let acted_for = batch.acts_for.binary_search(input).is_ok();
            if !acted_for && !ledger.moved() {
                continue;
            }
            let emitting = records_of(batch, *input);
            let point = ledger.commit_point(end, emitting, self.options.completed_ranges_max_bytes);
            self.laws.check(Law::Progress, point.offset >= ledger.committed);
            self.laws.check(Law::Prefix, point.assumed <= emitting);
            check_completed(&mut self.laws, ledger, &point, end);
            batch.intents.push(CommitIntent { input: *input, epoch: ledger.epoch, offset: point.offset });
            positions.push(point.into_position(*input));
        }
        self.commits.last = Some(now.monotonic);
        self.actions.push_back(Action::Transact { batch: id, positions });
    }

    /// Requests a plain commit. No batch is in flight, so it commits exactly what is resolved.
    fn start_commit(&mut self, now: Now) {
        let (mut intents, mut positions) = (Vec::new(), Vec::new());
        for (input, ledger) in self.ledgers.iter_mut().filter(|(_, ledger)| ledger.moved()) {
            let point = ledger.commit_point(0, 0, self.options.completed_ranges_max_bytes);
            check_completed(&mut self.laws, ledger, &point, 0);
            intents.push(CommitIntent { input: *input, epoch: ledger.epoch, offset: point.offset });
            positions.push(point.into_position(*input));
        }
        self.commits.in_flight = Some(intents);
        self.commits.last = Some(now.monotonic);
        self.actions.push_back(Action::Commit { positions });
    }

    pub(crate) fn acknowledge(&mut self, id: BatchId, now: Now) {
        let Some(batch) = self.outbox.take(id) else { return };
        self.retry_pause = RetryPause::default();
        self.laws.check(Law::Order, batch.emissions.first().is_none_or(|e| e.sequence >= self.acknowledged));
        self.acknowledged = batch.end();
        for emission in &batch.emissions {
            if let Ends::Rejected(_) = emission.ends {
                self.dead_letters += u64::from(!emission.outputs.is_empty());
            }
            // The partition was revoked meanwhile and its records were redelivered. Its next owner sees the emitted ones in the
            // committed offsets.
            let Some(ledger) = self.ledgers.get_mut(&emission.input).filter(|l| l.epoch == emission.epoch)
            else {
                continue;
            };
            ledger.emissions = ledger.emissions.saturating_sub(1);
            let ended = match &emission.ends {
                Ends::Nothing => true,
                Ends::Originated => {
                    ledger.counts.originated.acknowledge(u64::saturating_from(emission.outputs.len()));
                    self.effects.originating.set(emission.input, ledger.open_originated());
                    true
                }
                Ends::Emitted(offset) => ledger.resolve(*offset, Outcome::Emitted),
                Ends::Rejected(offset) => ledger.resolve(*offset, Outcome::Rejected),
                Ends::Merged(ids) => ids.iter().all(|id| ledger.resolve(id.offset, Outcome::Emitted)),
            };
            self.laws.check(Law::Conservation, ended);
        }
        self.mark_committed(&batch.intents);
        self.commits.last = self.is_transactional().then_some(now.monotonic).or(self.commits.last);
    }

    /// Records that these positions are committed.
    fn mark_committed(&mut self, intents: &[CommitIntent]) {
        for intent in intents {
            let Some(ledger) = self.ledgers.get_mut(&intent.input).filter(|l| l.epoch == intent.epoch) else {
                continue;
            };
            self.laws.check(Law::Progress, intent.offset >= ledger.committed);
            self.laws.check(Law::Prefix, intent.offset <= ledger.prefix());
            ledger.mark_committed(intent.offset);
        }
    }

    /// Queues the outputs of a failed or aborted batch again, first and in the same order. The rules do not run again.
    pub(crate) fn batch_failed(&mut self, id: BatchId, now: Now) {
        let Some(batch) = self.outbox.take(id) else { return };
        self.retry_pause.failed(now.monotonic);
        self.put_back(batch);
    }

    /// Queues the emissions of a batch again, except those whose assignment has ended.
    pub(crate) fn put_back(&mut self, batch: Batch<S::Output>) {
        let (ledgers, originating) = (&mut self.ledgers, &mut self.effects.originating);
        self.outbox.put_back(batch, |emission| {
            let Some(ledger) = ledgers.get_mut(&emission.input).filter(|l| l.epoch == emission.epoch) else {
                return false;
            };
            let kept = ledger.phase != Phase::Abandoned;
            if !kept {
                ledger.discard(emission);
                originating.set(emission.input, ledger.open_originated());
            }
            kept
        });
    }

    pub(crate) fn offsets_committed(&mut self) {
        let intents = self.commits.in_flight.take().unwrap_or_default();
        self.mark_committed(&intents);
        self.retry_pause = RetryPause::default();
    }

    pub(crate) fn offset_commit_failed(&mut self, now: Now) {
        if self.commits.in_flight.take().is_some() {
            self.retry_pause.failed(now.monotonic);
            self.drains.abandon_commits();
        }
    }

    /// Returns whether the batch or commit in flight acts for this partition.
    pub(crate) fn is_in_flight(&self, input: InputPartition) -> bool {
        let commit = self.commits.in_flight.iter().flatten().any(|intent| intent.input == input);
        commit || self.outbox.in_flight().is_some_and(|batch| batch.concerns(input))
    }

    /// Withdraws requests that the shell has not taken yet.
    pub(crate) fn recall(&mut self) {
        let mut recalled = None;
        let commits = &mut self.commits;
        self.actions.retain(|action| match action {
            Action::Transact { batch, .. } | Action::Produce { batch } => {
                recalled = Some(*batch);
                false
            }
            Action::Commit { .. } => {
                commits.in_flight = None;
                false
            }
            _ => true,
        });
        if let Some(batch) = recalled.and_then(|id| self.outbox.take(id)) {
            self.put_back(batch);
        }
    }

    /// Forgets the request in flight: the clients are gone, so no outcome follows.
    pub(crate) fn forget_in_flight(&mut self) {
        self.recall();
        self.commits.in_flight = None;
        self.retry_pause = RetryPause::default();
        if let Some(id) = self.outbox.in_flight().map(|batch| batch.id) {
            self.outbox.take(id);
        }
    }
}

/// Checks P2 beyond the prefix, record by record; only in debug builds.
fn check_completed(laws: &mut LawChecks, ledger: &Ledger, point: &CommitPoint, sequence: u64) {
    if cfg!(debug_assertions) {
        laws.check(Law::Prefix, ledger.is_completed(&point.completed, sequence));
    }
}

fn records_of<O>(batch: &Batch<O>, input: InputPartition) -> usize {
    batch.emissions.iter().filter(|e| e.input == input).map(crate::outbox::Emission::records).sum()
}
