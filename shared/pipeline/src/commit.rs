//! What is asked of Kafka: one batch or one plain commit at a time, and what its answer means.

use std::time::Duration;

use crate::commit_metadata::Leaving;
use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{BatchId, InputPartition, Now};
use crate::laws::{Law, Watch};
use crate::ledger::{Ledger, Outcome, Phase};
use crate::outbox::{Batch, Ends, Promise};
use crate::stage::Stage;

/// Plain commits.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// The one that isn't answered yet.
    asked: Option<Vec<Promise>>,
    /// When offsets were last asked to be committed, by a plain commit or in a transaction.
    last: Option<Duration>,
}

/// How long to wait after a failure. The first one is tried again at once: a rebalance is the usual cause.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Duration,
}

impl Backoff {
    fn failed(&mut self, now: Duration) {
        let wait_ms = if self.failures == 0 { 0 } else { 10 << self.failures.min(7) };
        self.failures = self.failures.saturating_add(1);
        self.until = now + Duration::from_millis(wait_ms);
    }
}

impl<S: Stage> Engine<S> {
    /// Whether nothing that was asked of Kafka is unanswered.
    pub(crate) fn idle(&self) -> bool {
        self.outbox.in_flight().is_none() && self.commits.asked.is_none()
    }

    pub(crate) fn ask(&mut self, now: Now) {
        if !self.idle() {
            return;
        }
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now.monotonic);
        let (batch, commit) = (due(self.batch_due()), due(self.commit_due()));
        // At least once a plain commit goes first, or a steady stream of batches would starve it. A transaction carries the
        // offsets that have moved.
        if commit && !(batch && self.is_transactional()) {
            self.ask_commit(now);
        } else if batch {
            self.ask_batch(now);
        }
    }

    /// When the waiting outputs leave; now or earlier if the batch is closed by quiet, urgency, size, or a drain.
    pub(crate) fn batch_due(&self) -> Option<Duration> {
        let oldest = self.outbox.oldest()?;
        let retried = self.backoff.failures > 0;
        let closed = self.quiet
            || retried
            || self.outbox.is_urgent()
            || self.drains.is_active()
            || self.outbox.waiting_outputs() >= self.options.batch_outputs_max;
        let due = if closed { oldest } else { oldest + self.options.batch_age_max };
        Some(due.max(self.backoff.until))
    }

    /// When positions that have moved are committed without a batch.
    pub(crate) fn commit_due(&self) -> Option<Duration> {
        let mut moved = self.ledgers.values().filter(|ledger| ledger.moved()).peekable();
        moved.peek()?;
        let leaving = moved.any(|ledger| ledger.phase != Phase::Owned);
        let paced = match self.commits.last {
            Some(last) if !leaving => last + self.options.commit_interval,
            _ => Duration::ZERO,
        };
        Some(paced.max(self.backoff.until))
    }

    fn ask_batch(&mut self, now: Now) {
        let transactional = self.is_transactional();
        let batch = self.outbox.close(self.options.batch_outputs_max);
        let (id, end) = (batch.id, batch.end());
        let silent = batch.emissions.iter().all(|emission| {
            self.ledgers.get(&emission.input).is_some_and(|ledger| ledger.epoch == emission.epoch)
        });
        self.laws.see(Law::Silence, silent);
        let sequences = batch.emissions.iter().map(|emission| emission.sequence);
        self.laws.see(Law::Order, sequences.is_sorted_by(|a, b| a < b));
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
            let leaving = ledger.leave(end, emitting, self.options.completed_ranges_max_bytes);
            self.laws.see(Law::Progress, leaving.offset >= ledger.committed);
            self.laws.see(Law::Prefix, leaving.assumed <= emitting);
            see_finished(&mut self.laws, ledger, &leaving, end);
            batch.promises.push(Promise { input: *input, epoch: ledger.epoch, offset: leaving.offset });
            positions.push(leaving.of(*input));
        }
        self.commits.last = Some(now.monotonic);
        self.actions.push_back(Action::Transact { batch: id, positions });
    }

    /// Nothing is in flight, so what is resolved is all that is said.
    fn ask_commit(&mut self, now: Now) {
        let (mut promises, mut positions) = (Vec::new(), Vec::new());
        for (input, ledger) in self.ledgers.iter_mut().filter(|(_, ledger)| ledger.moved()) {
            let leaving = ledger.leave(0, 0, self.options.completed_ranges_max_bytes);
            see_finished(&mut self.laws, ledger, &leaving, 0);
            promises.push(Promise { input: *input, epoch: ledger.epoch, offset: leaving.offset });
            positions.push(leaving.of(*input));
        }
        self.commits.asked = Some(promises);
        self.commits.last = Some(now.monotonic);
        self.actions.push_back(Action::Commit { positions });
    }

    pub(crate) fn acknowledge(&mut self, id: BatchId, now: Now) {
        let Some(batch) = self.outbox.take(id) else { return };
        self.backoff = Backoff::default();
        self.laws.see(Law::Order, batch.emissions.first().is_none_or(|e| e.sequence >= self.acknowledged));
        self.acknowledged = batch.end();
        for emission in &batch.emissions {
            if let Ends::Rejected(_) = emission.ends {
                self.dead_letters += u64::from(!emission.outputs.is_empty());
            }
            // A partition that went meanwhile gave its records back; that they were emitted after all shows in the offsets.
            let Some(ledger) = self.ledgers.get_mut(&emission.input).filter(|l| l.epoch == emission.epoch)
            else {
                continue;
            };
            ledger.emissions = ledger.emissions.saturating_sub(1);
            let ended = match &emission.ends {
                Ends::Nothing => true,
                Ends::Emitted(offset) => ledger.resolve(*offset, Outcome::Emitted),
                Ends::Rejected(offset) => ledger.resolve(*offset, Outcome::Rejected),
                Ends::Merged(ids) => ids.iter().all(|id| ledger.resolve(id.offset, Outcome::Emitted)),
            };
            self.laws.see(Law::Conservation, ended);
        }
        self.keep(&batch.promises);
        self.commits.last = self.is_transactional().then_some(now.monotonic).or(self.commits.last);
    }

    /// These positions are committed.
    fn keep(&mut self, promises: &[Promise]) {
        for promise in promises {
            let Some(ledger) = self.ledgers.get_mut(&promise.input).filter(|l| l.epoch == promise.epoch)
            else {
                continue;
            };
            self.laws.see(Law::Progress, promise.offset >= ledger.committed);
            self.laws.see(Law::Prefix, promise.offset <= ledger.prefix());
            ledger.said(promise.offset);
        }
    }

    /// The same outputs leave again, first and in the same order; the rules do not run again.
    pub(crate) fn refuse(&mut self, id: BatchId, now: Now) {
        let Some(batch) = self.outbox.take(id) else { return };
        self.backoff.failed(now.monotonic);
        self.put_back(batch);
    }

    /// Puts back what still has an owner.
    pub(crate) fn put_back(&mut self, batch: Batch<S::Output>) {
        let ledgers = &mut self.ledgers;
        self.outbox.put_back(batch, |emission| {
            let Some(ledger) = ledgers.get_mut(&emission.input).filter(|l| l.epoch == emission.epoch) else {
                return false;
            };
            let kept = ledger.phase != Phase::Abandoned;
            ledger.emissions -= usize::from(!kept);
            kept
        });
    }

    pub(crate) fn offsets_committed(&mut self) {
        let promises = self.commits.asked.take().unwrap_or_default();
        self.keep(&promises);
        self.backoff = Backoff::default();
    }

    pub(crate) fn offset_commit_failed(&mut self, now: Now) {
        if self.commits.asked.take().is_some() {
            self.backoff.failed(now.monotonic);
            self.drains.give_up_committing();
        }
    }

    /// Whether what was asked of Kafka and isn't answered acts for this input.
    pub(crate) fn is_asked_for(&self, input: InputPartition) -> bool {
        let commit = self.commits.asked.iter().flatten().any(|promise| promise.input == input);
        commit || self.outbox.in_flight().is_some_and(|batch| batch.concerns(input))
    }

    /// Takes back what was asked but not yet taken by the shell.
    pub(crate) fn recall(&mut self) {
        let mut recalled = None;
        let commits = &mut self.commits;
        self.actions.retain(|action| match action {
            Action::Transact { batch, .. } | Action::Produce { batch } => {
                recalled = Some(*batch);
                false
            }
            Action::Commit { .. } => {
                commits.asked = None;
                false
            }
            _ => true,
        });
        if let Some(batch) = recalled.and_then(|id| self.outbox.take(id)) {
            self.put_back(batch);
        }
    }

    /// The client is gone, and with it every answer.
    pub(crate) fn forget_asked(&mut self) {
        self.recall();
        self.commits.asked = None;
        self.backoff = Backoff::default();
        if let Some(id) = self.outbox.in_flight().map(|batch| batch.id) {
            self.outbox.take(id);
        }
    }
}

/// P2 beyond the prefix, record by record: in debug builds alone.
fn see_finished(laws: &mut Watch, ledger: &Ledger, leaving: &Leaving, sequence: u64) {
    if cfg!(debug_assertions) {
        laws.see(Law::Prefix, ledger.is_completed(&leaving.completed, sequence));
    }
}

fn records_of<O>(batch: &Batch<O>, input: InputPartition) -> usize {
    batch.emissions.iter().filter(|e| e.input == input).map(crate::outbox::Emission::records).sum()
}
