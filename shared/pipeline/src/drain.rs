//! Start and end of assignments, and drains.
//!
//! ```text
//!           Assigned          Revoked, ShutdownRequested        all resolved and committed
//!  (none) ───────────► Owned ────────────────────────► Draining ───────────────────────────► ended, acknowledged
//!                        │                                │ drain timeout                         ▲
//!                        │ Lost, ClientsRecreated         ├───────────────► Abandoned ────────────┘ nothing in flight
//!                        └─────────► ended ◄──────────────┘ Lost
//! ```
//! A drain does not wait for records that the stage releases, because they cannot be resolved within it. A revocation is
//! acknowledged by an action, not inside the rebalance callback, so the loop continues while it drains. A partition that is lost
//! meanwhile is removed from its acknowledgement; without any partition left, none is given.

use std::time::Duration;

use crate::engine::Engine;
use crate::event::{Action, Start, Stop};
use crate::ids::{Epoch, InputPartition, Now};
use crate::ledger::{Ledger, Phase};
use crate::stage::Stage;

/// Partitions that are drained together.
#[derive(Debug)]
struct Drain {
    inputs: Vec<InputPartition>,
    deadline: Duration,
    timed_out: bool,
    /// A commit failed after the deadline: the records that it covered will be redelivered.
    commit_abandoned: bool,
}

/// Revocations without acknowledgement yet, and the shutdown.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    revocations: Vec<Drain>,
    shutdown: Option<Drain>,
    /// Records left unresolved by assignments that ended since the shutdown was requested, without released ones.
    left: u64,
}

impl Drains {
    pub(crate) fn is_active(&self) -> bool {
        self.shutdown.is_some() || !self.revocations.is_empty()
    }

    pub(crate) fn abandon_commits(&mut self) {
        for drain in self.revocations.iter_mut().chain(&mut self.shutdown).filter(|drain| drain.timed_out) {
            drain.commit_abandoned = true;
        }
    }

    /// Removes partitions that need no acknowledgement any more.
    fn forget(&mut self, gone: impl Fn(&InputPartition) -> bool) {
        for drain in &mut self.revocations {
            drain.inputs.retain(|input| !gone(input));
        }
        self.revocations.retain(|drain| !drain.inputs.is_empty());
    }
}

impl<S: Stage> Engine<S> {
    pub(crate) fn assign(&mut self, start: &Start, now: Now) {
        let input = start.input;
        self.end_assignment(input);
        let number = self.epochs.entry(input).and_modify(|epoch| *epoch += 1).or_insert(1);
        let epoch = Epoch(*number);
        let mut ledger = Ledger::new(epoch, start);
        if self.drains.shutdown.is_some() {
            ledger.phase = Phase::Draining;
        }
        self.ledgers.insert(input, ledger);
        self.stage.assigned(input, epoch, now);
    }

    pub(crate) fn revoke(&mut self, inputs: &[InputPartition], now: Now) {
        for input in inputs {
            if let Some(ledger) = self.ledgers.get_mut(input).filter(|l| l.phase == Phase::Owned) {
                ledger.phase = Phase::Draining;
            }
        }
        let deadline = now.monotonic + self.options.drain_budget;
        let inputs = inputs.to_vec();
        self.drains.revocations.push(Drain { inputs, deadline, timed_out: false, commit_abandoned: false });
        self.tick_due = true;
    }

    pub(crate) fn lose(&mut self, inputs: &[InputPartition]) {
        for input in inputs {
            self.end_assignment(*input);
        }
        self.drains.forget(|input| inputs.contains(input));
    }

    pub(crate) fn lose_all(&mut self) {
        self.forget_in_flight();
        let inputs: Vec<InputPartition> = self.ledgers.keys().copied().collect();
        self.lose(&inputs);
        self.drains.revocations.clear();
    }

    pub(crate) fn shut_down(&mut self, now: Now) {
        if self.drains.shutdown.is_some() {
            return;
        }
        for ledger in self.ledgers.values_mut().filter(|ledger| ledger.phase == Phase::Owned) {
            ledger.phase = Phase::Draining;
        }
        let deadline = now.monotonic + self.options.drain_budget;
        self.drains.shutdown =
            Some(Drain { inputs: Vec::new(), deadline, timed_out: false, commit_abandoned: false });
        self.tick_due = true;
    }

    /// Abandons partitions whose drain timed out: their queued emissions are discarded, what is in flight still completes.
    pub(crate) fn expire_drains(&mut self, now: Now) {
        let mut expired = Vec::new();
        for drain in
            self.drains.revocations.iter_mut().filter(|d| !d.timed_out && d.deadline <= now.monotonic)
        {
            drain.timed_out = true;
            expired.extend(drain.inputs.iter().copied());
        }
        if let Some(drain) =
            self.drains.shutdown.as_mut().filter(|d| !d.timed_out && d.deadline <= now.monotonic)
        {
            drain.timed_out = true;
            expired.extend(self.ledgers.keys().copied());
        }
        if !expired.is_empty() {
            self.recall();
        }
        for input in expired {
            if let Some(ledger) = self.ledgers.get_mut(&input) {
                ledger.phase = Phase::Abandoned;
                self.outbox.discard(input, |emission| ledger.discard(emission));
                self.effects.originating.set(input, ledger.open_originated());
            }
        }
    }

    pub(crate) fn finish_drains(&mut self) {
        let revocations = std::mem::take(&mut self.drains.revocations);
        for drain in revocations {
            if drain.inputs.iter().all(|input| self.is_drained(*input, drain.commit_abandoned)) {
                let mut left = 0;
                for input in &drain.inputs {
                    left += self.ledgers.get(input).map_or(0, Ledger::unresolved);
                    self.end_assignment(*input);
                }
                self.actions.push_back(Action::AcknowledgeRevocation { inputs: drain.inputs, left });
            } else {
                self.drains.revocations.push(drain);
            }
        }
        self.finish_shutdown();
    }

    fn finish_shutdown(&mut self) {
        let Some(shutdown) = &self.drains.shutdown else { return };
        let commit_abandoned = shutdown.commit_abandoned;
        let drained = self.ledgers.keys().all(|input| self.is_drained(*input, commit_abandoned));
        if !drained || !self.idle() || !self.drains.revocations.is_empty() {
            return;
        }
        let committed = !self.ledgers.values().any(Ledger::moved);
        let inputs: Vec<InputPartition> = self.ledgers.keys().copied().collect();
        for input in inputs {
            self.end_assignment(input);
        }
        let stop = match self.drains.left {
            0 if committed => Stop::Drained,
            held => Stop::DrainTimedOut { held },
        };
        self.actions.push_back(Action::Stop(stop));
        self.stopped = true;
    }

    fn is_drained(&self, input: InputPartition, commit_abandoned: bool) -> bool {
        let Some(ledger) = self.ledgers.get(&input) else { return true };
        let finished =
            ledger.phase == Phase::Abandoned || (ledger.unresolved() == 0 && ledger.emissions == 0);
        finished && !self.is_in_flight(input) && (!ledger.moved() || commit_abandoned)
    }

    /// Ends an assignment: unresolved records will be redelivered, queued emissions are discarded, and requests that the shell has
    /// not taken are withdrawn.
    fn end_assignment(&mut self, input: InputPartition) {
        if !self.ledgers.contains_key(&input) {
            return;
        }
        self.recall();
        self.actions.retain(|action| match action {
            Action::Pause(of) | Action::Resume(of) | Action::Rewind(of, _) => *of != input,
            _ => true,
        });
        self.outbox.discard(input, |_| {});
        self.effects.originating.set(input, 0);
        let Some(mut ledger) = self.ledgers.remove(&input) else { return };
        if self.drains.shutdown.is_some() {
            self.drains.left += ledger.unresolved();
        }
        ledger.counts.end();
        self.past.add(&ledger.counts);
        self.stage.unassigned(input);
    }
}
