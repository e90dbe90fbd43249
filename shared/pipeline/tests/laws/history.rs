//! Plays a script of events against an engine, as a correct shell would, and writes down what happens.
//!
//! Each input is a log: what was appended is read by whoever owns it, from where its last owner left it. What was asked for a
//! input and isn't answered when it is lost is refused: the generation fences it.

use std::collections::BTreeMap;

use pipeline::{
    Action, BatchId, CompletedRanges, Counts, Delivery, Event, InputPartition, Load, Options, Position,
    RecordId, Start,
};

use crate::rig::{Out, Rig, Said, Told, What};
use crate::script::Step;

/// Three partitions of two topics.
pub(crate) const SOURCES: [InputPartition; 3] = [
    InputPartition { topic: 0, partition: 0 },
    InputPartition { topic: 0, partition: 1 },
    InputPartition { topic: 1, partition: 0 },
];

/// The most records that one step delivers.
pub(crate) const POLL_MAX: usize = 5;

pub(crate) fn options(mode: Delivery) -> Options {
    Options {
        batch_outputs_max: 5,
        held_records_max: 12,
        ledger_records_max: 10,
        outputs_max: 12,
        completed_ranges_max_bytes: 9,
        defer_wait_first: std::time::Duration::from_millis(20),
        defer_wait_max: std::time::Duration::from_millis(80),
        drain_budget: std::time::Duration::from_millis(300),
        rejects_in_a_row_max: 4,
        ..Options::new(mode)
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happened {
    Assigned(Start),
    /// The next record of the input's log.
    Appended(InputPartition, i64),
    Judged(RecordId, What),
    /// Taken without the rules: an earlier owner had completed it.
    PassedOver(InputPartition, i64),
    Ended(InputPartition, i64),
    Said(Said),
    Revoked(InputPartition),
    Poisoned(InputPartition),
    Gone(InputPartition),
    Asked {
        positions: Vec<Position>,
        batch: Option<BatchId>,
        outputs: Vec<Out>,
    },
    Answered {
        ok: bool,
    },
    Paused(InputPartition, bool),
    Rewound(InputPartition),
    Acknowledged(Vec<InputPartition>),
    Settled {
        load: Load,
        counts: BTreeMap<InputPartition, Counts>,
        all: Counts,
    },
}

struct Asked {
    batch: Option<BatchId>,
    transactional: bool,
    positions: Vec<Position>,
    /// A input that it acts for is someone else's by now.
    fenced: bool,
}

#[derive(Default)]
struct Log {
    records: Vec<(i64, What)>,
    end: i64,
    /// What the group has stored.
    committed: (i64, Vec<u8>),
}

struct Owned {
    start: Start,
    next: i64,
    paused: bool,
    leaving: bool,
}

struct Player {
    rig: Rig,
    history: Vec<Happened>,
    logs: BTreeMap<InputPartition, Log>,
    owned: BTreeMap<InputPartition, Owned>,
    /// What the stage holds; those of assignments that have ended stay in it, and are said in vain.
    held: Vec<RecordId>,
    asked: Option<Asked>,
}

/// Plays a script from beginning to end.
pub(crate) fn play(mode: Delivery, script: &[Step]) -> Vec<Happened> {
    let mut player = Player {
        rig: Rig::new(options(mode)),
        history: Vec::new(),
        logs: SOURCES.iter().map(|input| (*input, Log::default())).collect(),
        owned: BTreeMap::new(),
        held: Vec::new(),
        asked: None,
    };
    for step in script {
        player.step(step);
    }
    assert_eq!(player.rig.engine.violations(), [0; 8]);
    player.history
}

impl Player {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Records { input, hole, what, defer } => {
                self.deliver(SOURCES[*input], *hole, what, *defer);
            }
            Step::End { input, hole } => self.reach_end(SOURCES[*input], *hole),
            Step::Say { pick, how, count } => self.say(*pick, *how, *count),
            Step::Answer { ok } => self.answer(*ok),
            Step::Tick => self.happens(Event::Tick),
            Step::Pass { millis } => {
                self.rig.now_ms += millis;
                self.happens(Event::Tick);
            }
            Step::Assign { input } => self.assign(SOURCES[*input]),
            Step::Revoke { input } => {
                let place = SOURCES[*input];
                if let Some(owned) = self.owned.get_mut(&place).filter(|owned| !owned.leaving) {
                    owned.leaving = true;
                    self.history.push(Happened::Revoked(place));
                    self.happens(Event::Revoked(&[place]));
                }
            }
            Step::Lose { input } => {
                let place = SOURCES[*input];
                if self.owned.remove(&place).is_some() {
                    let concerned = self.is_asked_for(place);
                    if let Some(asked) = &mut self.asked {
                        asked.fenced |= concerned;
                    }
                    self.history.push(Happened::Gone(place));
                    self.happens(Event::Lost(&[place]));
                }
            }
            Step::Rebuild => {
                self.history.extend(self.owned.keys().map(|input| Happened::Gone(*input)));
                self.owned.clear();
                self.asked = None;
                self.happens(Event::ClientsRecreated);
            }
        }
    }

    /// A input whose offsets are on their way begins nowhere else.
    fn assign(&mut self, input: InputPartition) {
        if self.owned.contains_key(&input) || self.is_asked_for(input) {
            return;
        }
        let (position, metadata) = &self.logs[&input].committed;
        let completed = CompletedRanges::from_bytes(*position, metadata).expect("the engine wrote it");
        let start = Start { input, position: *position, completed };
        let owned = Owned { start: start.clone(), next: *position, paused: false, leaving: false };
        self.owned.insert(input, owned);
        self.history.push(Happened::Assigned(start.clone()));
        self.happens(Event::Assigned(&[start]));
    }

    fn is_asked_for(&self, input: InputPartition) -> bool {
        self.asked.as_ref().is_some_and(|asked| {
            asked.positions.iter().any(|position| position.input == input)
                || asked.batch.is_some_and(|id| self.rig.outputs(id).iter().any(|out| out.input == input))
        })
    }

    fn reach_end(&mut self, input: InputPartition, hole: i64) {
        let (Some(owned), Some(log)) = (self.owned.get_mut(&input), self.logs.get_mut(&input)) else {
            return;
        };
        if owned.paused || log.records.last().is_some_and(|(last, _)| owned.next <= *last) {
            return;
        }
        log.end += hole;
        owned.next = log.end;
        let end = log.end;
        self.history.push(Happened::Ended(input, end));
        self.happens(Event::EndReached(input, end));
    }

    /// Reads on in the log, or appends to it first.
    fn deliver(&mut self, input: InputPartition, hole: i64, what: &[What], defer: Option<usize>) {
        let (Some(owned), Some(log)) = (self.owned.get_mut(&input), self.logs.get_mut(&input)) else {
            return;
        };
        if owned.paused {
            return;
        }
        if log.records.last().is_none_or(|(last, _)| *last < owned.next) {
            let new: Vec<(i64, What)> = (log.end + hole..).zip(what.iter().copied()).collect();
            self.history.extend(new.iter().map(|(offset, _)| Happened::Appended(input, *offset)));
            log.end = new.last().map_or(log.end, |(last, _)| last + 1);
            log.records.extend(new);
        }
        let from = log.records.partition_point(|(offset, _)| *offset < owned.next);
        let mut records: Vec<(i64, What)> = log.records[from..].iter().take(POLL_MAX).copied().collect();
        owned.next = records.last().map_or(owned.next, |(last, _)| last + 1);
        if let Some((_, what)) = defer.and_then(|at| records.get_mut(at)) {
            *what = What::Defer;
        }
        let (judged, passed) = (self.rig.engine.stage().judged.len(), self.passed_over(input));
        let asked = self.rig.records(input, &records);
        let new = self.rig.engine.stage().judged[judged..].to_vec();
        let mut passed = self.passed_over(input) - passed;
        let completed = self.owned.get(&input).map(|owned| owned.start.completed.clone());
        for (offset, what) in records {
            if let Some(id) = new.iter().find(|id| id.offset == offset) {
                if what == What::Hold {
                    self.held.push(*id);
                }
                self.history.push(Happened::Judged(*id, what));
            } else if passed > 0 && completed.as_ref().is_some_and(|completed| completed.contains(offset)) {
                passed -= 1;
                self.history.push(Happened::PassedOver(input, offset));
            }
        }
        assert_eq!(passed, 0, "what is passed over was completed");
        self.write_down(asked);
    }

    fn passed_over(&self, input: InputPartition) -> u64 {
        self.rig.engine.partition_counts(input).map_or(0, |counts| counts.skipped_completed)
    }

    fn say(&mut self, pick: usize, how: u8, count: u8) {
        if self.held.is_empty() {
            return;
        }
        let mut id = self.held[pick % self.held.len()];
        if how > 4 {
            let leaves = |id: &&RecordId| self.owned.get(&id.input).is_some_and(|owned| owned.leaving);
            let Some(leaving) = self.held.iter().rfind(leaves) else { return };
            id = *leaving;
        }
        let kin = |other: &&RecordId| (other.input, other.epoch) == (id.input, id.epoch);
        let said = match how {
            0 => Said::Append { id, outputs: count },
            1 => Said::Drop(id),
            2 => Said::Reject(id),
            3 => Said::Emit { ids: vec![id], outputs: count, urgent: count == 1 },
            4 => {
                let ids = self.held.iter().filter(kin).take(3).copied().collect();
                Said::Emit { ids, outputs: count, urgent: false }
            }
            _ => Said::Release(self.held.iter().filter(kin).take(2).copied().collect()),
        };
        match &said {
            Said::Append { .. } => {}
            Said::Drop(id) | Said::Reject(id) => self.held.retain(|other| other != id),
            Said::Emit { ids, .. } | Said::Release(ids) => self.held.retain(|other| !ids.contains(other)),
        }
        self.history.push(Happened::Said(said.clone()));
        self.happens(Event::Completed(said));
    }

    fn answer(&mut self, ok: bool) {
        let Some(asked) = self.asked.take() else { return };
        let ok = ok && !asked.fenced;
        for Position { input, offset, completed } in asked.positions.iter().filter(|_| ok) {
            if let Some(log) = self.logs.get_mut(input) {
                log.committed = (*offset, completed.to_bytes(*offset));
            }
        }
        self.history.push(Happened::Answered { ok });
        self.happens(match (asked.batch, ok, asked.transactional) {
            (None, true, _) => Event::OffsetsCommitted,
            (None, false, _) => Event::OffsetCommitFailed,
            (Some(batch), true, true) => Event::Committed(batch),
            (Some(batch), false, true) => Event::Aborted(batch),
            (Some(batch), true, false) => Event::Delivered(batch),
            (Some(batch), false, false) => Event::DeliveryFailed(batch),
        });
    }

    fn happens(&mut self, event: Event<'_, Told>) {
        let asked = self.rig.happens(event);
        self.write_down(asked);
    }

    fn write_down(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Transact { batch, positions } => self.take_on(Some(batch), positions, true),
                Action::Produce { batch } => self.take_on(Some(batch), Vec::new(), false),
                Action::Commit { positions } => self.take_on(None, positions, false),
                Action::Pause(input) => self.set_paused(input, true),
                Action::Resume(input) => self.set_paused(input, false),
                Action::Rewind(input, offset) => {
                    let owned = self.owned.get_mut(&input).expect("only what is owned goes back");
                    assert!(owned.paused && offset <= owned.next, "back, and while it is paused");
                    owned.next = offset;
                    self.history.push(Happened::Rewound(input));
                }
                Action::AcknowledgeRevocation { inputs, .. } => {
                    for input in &inputs {
                        self.owned.remove(input);
                    }
                    self.history.push(Happened::Acknowledged(inputs));
                }
                Action::Stop(stop) => panic!("nothing in a script ends the engine: {stop:?}"),
            }
        }
        let engine = &self.rig.engine;
        self.history.extend(engine.stopped_partitions().map(Happened::Poisoned));
        let counts =
            SOURCES.iter().filter_map(|input| Some((*input, engine.partition_counts(*input)?.clone())));
        let settled =
            Happened::Settled { load: engine.load(), counts: counts.collect(), all: engine.counts() };
        self.history.push(settled);
    }

    fn take_on(&mut self, batch: Option<BatchId>, positions: Vec<Position>, transactional: bool) {
        let asked = Asked { batch, transactional, positions: positions.clone(), fenced: false };
        assert!(self.asked.replace(asked).is_none(), "one thing at a time is asked of Kafka");
        let outputs = batch.map_or_else(Vec::new, |batch| self.rig.outputs(batch));
        self.history.push(Happened::Asked { positions, batch, outputs });
    }

    fn set_paused(&mut self, input: InputPartition, paused: bool) {
        let told = self.owned.get_mut(&input).expect("only what is owned is paused or resumed");
        assert_ne!(told.paused, paused, "said only when it changes");
        told.paused = paused;
        self.history.push(Happened::Paused(input, paused));
    }
}
