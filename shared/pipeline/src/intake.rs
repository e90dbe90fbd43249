//! Records to verdicts, effects to emissions.

use crate::engine::Engine;
use crate::event::{Action, Stop};
use crate::ids::{Epoch, InputPartition, Now, RecordId};
use crate::ledger::{Ledger, Phase};
use crate::outbox::Ends;
use crate::stage::{Effect, Stage, Verdict};

impl<S: Stage> Engine<S> {
    pub(crate) fn receive<'a>(
        &mut self,
        input: InputPartition,
        records: &mut dyn Iterator<Item = (i64, S::Record<'a>)>,
        now: Now,
    ) {
        let (mut arrived, mut taken): (u64, u64) = (0, 0);
        let round = self.fair_resume.number(input.topic);
        let mut ledger = self.ledgers.get_mut(&input);
        for (offset, record) in records {
            arrived += 1;
            let Some(own) = ledger.as_deref_mut().filter(|own| own.accepts() && own.expected() <= offset)
            else {
                continue;
            };
            taken += 1;
            if own.is_inherited(offset) {
                own.skip_completed(offset);
                continue;
            }
            let id = RecordId { input, epoch: own.epoch, offset };
            let verdict = self.stage.process(id, record, now, &mut self.effects);
            if let Verdict::Defer(cause) = verdict {
                if !self.effects.list.is_empty() {
                    return self.fail(format!(
                        "invalid verdict: the stage deferred {id:?} and returned effects for it: {cause}"
                    ));
                }
                taken -= 1;
                own.defer(cause, now, &self.options);
                continue;
            }
            own.deferral = None;
            match verdict {
                Verdict::Drop(reason) => own.drop_new(offset, reason),
                Verdict::Hold => own.hold(offset),
                Verdict::Emit(outputs) => {
                    own.emit(offset, self.outbox.next_sequence());
                    self.outbox.push((input, id.epoch), Ends::Emitted(offset), outputs, false, now);
                }
                Verdict::Reject(dead_letter) => {
                    own.reject(offset, self.outbox.next_sequence(), self.options.consecutive_rejects_max);
                    self.outbox.push(
                        (input, id.epoch),
                        Ends::Rejected(offset),
                        vec![dead_letter],
                        false,
                        now,
                    );
                }
                Verdict::Defer(_) => {}
                Verdict::Fail(cause) => return self.fail(cause),
            }
            if !self.effects.list.is_empty() {
                self.take_effects(now);
                if self.stopped {
                    return;
                }
                ledger = self.ledgers.get_mut(&input);
            }
        }
        if let Some(own) = ledger.as_deref_mut().filter(|_| taken > 0) {
            own.rank.served(round);
        }
        ledger.map_or(&mut self.past, |own| &mut own.counts).ignored += arrived - taken;
        if arrived > 0 {
            self.drained_fetch = false;
            self.tick_due = true;
        }
    }

    /// Applies the collected effects. The verdict on a record counts before the effects of the same call.
    pub(crate) fn take_effects(&mut self, now: Now) {
        if self.effects.list.is_empty() {
            return;
        }
        let mut list = std::mem::take(&mut self.effects.list);
        for effect in list.drain(..) {
            if !self.stopped {
                self.take_effect(effect, now);
            }
        }
        self.effects.list = list;
    }

    fn take_effect(&mut self, effect: Effect<S::Output>, now: Now) {
        let (sequence, rejects_max) = (self.outbox.next_sequence(), self.options.consecutive_rejects_max);
        match effect {
            Effect::Emit { ids, outputs, urgent } => self.merge(ids, outputs, urgent, now),
            Effect::Append { on_behalf_of: id, outputs } => {
                match self.current(id.input, id.epoch).filter(|ledger| ledger.is_held(id.offset)) {
                    Some(ledger) => ledger.emissions += 1,
                    None => return self.unknown_record(id, "appended outputs on behalf of"),
                }
                self.outbox.push((id.input, id.epoch), Ends::Nothing, outputs, false, now);
            }
            Effect::Release { ids } => ids.into_iter().for_each(|id| self.release_record(id)),
            Effect::Drop { id, reason } => {
                let ledger = self.current(id.input, id.epoch);
                if !ledger.is_some_and(|ledger| ledger.drop_held(id.offset, reason)) {
                    self.unknown_record(id, "dropped");
                }
            }
            Effect::Reject { id, dead_letter } => {
                let ledger = self.current(id.input, id.epoch);
                if !ledger.is_some_and(|ledger| ledger.reject_held(id.offset, sequence, rejects_max)) {
                    return self.unknown_record(id, "rejected");
                }
                self.outbox.push(
                    (id.input, id.epoch),
                    Ends::Rejected(id.offset),
                    vec![dead_letter],
                    false,
                    now,
                );
            }
            Effect::Originate { input, epoch, outputs } => self.originate(input, epoch, outputs, now),
        }
    }

    fn merge(&mut self, ids: Vec<RecordId>, outputs: Vec<S::Output>, urgent: bool, now: Now) {
        let Some(&first) = ids.first() else {
            return self.fail("invalid effect: the stage emitted outputs that resolve no record".to_owned());
        };
        if let Some(other) = ids.iter().find(|id| (id.input, id.epoch) != (first.input, first.epoch)) {
            return self.fail(format!("invalid effect: one emission for {first:?} and {other:?}"));
        }
        let sequence = self.outbox.next_sequence();
        let Some(ledger) = self.current(first.input, first.epoch) else {
            return self.unknown_record(first, "emitted");
        };
        if let Some(&id) = ids.iter().find(|id| !ledger.emit_held(id.offset, sequence)) {
            return self.unknown_record(id, "emitted");
        }
        ledger.emissions += 1;
        self.outbox.push((first.input, first.epoch), Ends::Merged(ids), outputs, urgent, now);
    }

    fn release_record(&mut self, id: RecordId) {
        let ledger = self.current(id.input, id.epoch);
        if ledger.as_ref().is_some_and(|ledger| ledger.phase == Phase::Owned) {
            return self
                .fail(format!("invalid effect: the stage released {id:?}, whose partition is not draining"));
        }
        if !ledger.is_some_and(|ledger| ledger.release(id.offset)) {
            self.unknown_record(id, "released");
        }
    }

    /// Returns the ledger of an assignment that can still resolve records.
    pub(crate) fn current(&mut self, input: InputPartition, epoch: Epoch) -> Option<&mut Ledger> {
        self.ledgers.get_mut(&input).filter(|l| l.epoch == epoch && l.phase != Phase::Abandoned)
    }

    /// Handles an effect on a record that is not held. If its assignment has ended, the effect is discarded (P4). Otherwise the
    /// stage resolved a record twice, so the engine stops.
    fn unknown_record(&mut self, id: RecordId, what: &str) {
        if self.current(id.input, id.epoch).is_some() {
            return self.fail(format!("invalid effect: the stage {what} {id:?}, which it does not hold"));
        }
        let counts = self.ledgers.get_mut(&id.input).map_or(&mut self.past, |ledger| &mut ledger.counts);
        counts.stale_effects += 1;
    }

    pub(crate) fn reach_end(&mut self, input: InputPartition, position: i64) {
        // A partition that does not accept records has skipped some: its position must not pass them.
        if let Some(ledger) = self.ledgers.get_mut(&input).filter(|ledger| ledger.accepts()) {
            ledger.deferral = None;
            ledger.skip_to(position);
            ledger.rank.served(self.fair_resume.number(input.topic));
            self.stage.reached_end(input);
        }
    }

    /// Stops the engine and leaves everything unresolved, so that it is redelivered.
    pub(crate) fn fail(&mut self, cause: String) {
        self.actions.push_back(Action::Stop(Stop::Failed(cause)));
        self.stopped = true;
    }
}
