//! Plays a script of events against an engine, as a correct shell would, and writes down what happens.
//!
//! Each source is a log: what was appended is read by whoever owns it, from where its last owner left it. What was asked for a
//! source and isn't answered when it is lost is refused: the generation fences it.

use std::collections::BTreeMap;

use pipeline::{
    Action, BatchId, Counts, Delivery, Event, Finished, Load, Options, Position, RecordId, Source, Start,
};

use crate::rig::{Out, Rig, Said, Told, What};
use crate::script::Step;

/// Three partitions of two topics.
pub(crate) const SOURCES: [Source; 3] =
    [Source { topic: 0, partition: 0 }, Source { topic: 0, partition: 1 }, Source { topic: 1, partition: 0 }];

/// The most records that one step delivers.
pub(crate) const POLL_MAX: usize = 5;

pub(crate) fn options(mode: Delivery) -> Options {
    Options {
        batch_max_outputs: 5,
        held_max_records: 12,
        ledger_max_records: 10,
        outputs_max: 12,
        finished_max_bytes: 9,
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
    /// The next record of the source's log.
    Appended(Source, i64),
    Judged(RecordId, What),
    /// Taken without the rules: an earlier owner had finished it.
    PassedOver(Source, i64),
    Ended(Source, i64),
    Said(Said),
    Revoked(Source),
    Poisoned(Source),
    Gone(Source),
    Asked {
        positions: Vec<Position>,
        batch: Option<BatchId>,
        outputs: Vec<Out>,
    },
    Answered {
        ok: bool,
    },
    Paused(Source, bool),
    Rewound(Source),
    Acknowledged(Vec<Source>),
    Settled {
        load: Load,
        counts: BTreeMap<Source, Counts>,
        all: Counts,
    },
}

struct Asked {
    batch: Option<BatchId>,
    transactional: bool,
    positions: Vec<Position>,
    /// A source that it acts for is someone else's by now.
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
    logs: BTreeMap<Source, Log>,
    owned: BTreeMap<Source, Owned>,
    /// What the stage holds; those of assignments that have ended stay in it, and are said in vain.
    held: Vec<RecordId>,
    asked: Option<Asked>,
}

/// Plays a script from beginning to end.
pub(crate) fn play(mode: Delivery, script: &[Step]) -> Vec<Happened> {
    let mut player = Player {
        rig: Rig::new(options(mode)),
        history: Vec::new(),
        logs: SOURCES.iter().map(|source| (*source, Log::default())).collect(),
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
            Step::Records { source, hole, what, defer } => {
                self.deliver(SOURCES[*source], *hole, what, *defer);
            }
            Step::End { source, hole } => self.reach_end(SOURCES[*source], *hole),
            Step::Say { pick, how, count } => self.say(*pick, *how, *count),
            Step::Answer { ok } => self.answer(*ok),
            Step::Tick => self.happens(Event::Tick),
            Step::Pass { millis } => {
                self.rig.now_ms += millis;
                self.happens(Event::Tick);
            }
            Step::Assign { source } => self.assign(SOURCES[*source]),
            Step::Revoke { source } => {
                let place = SOURCES[*source];
                if let Some(owned) = self.owned.get_mut(&place).filter(|owned| !owned.leaving) {
                    owned.leaving = true;
                    self.history.push(Happened::Revoked(place));
                    self.happens(Event::Revoked(&[place]));
                }
            }
            Step::Lose { source } => {
                let place = SOURCES[*source];
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
                self.history.extend(self.owned.keys().map(|source| Happened::Gone(*source)));
                self.owned.clear();
                self.asked = None;
                self.happens(Event::ClientRebuilt);
            }
        }
    }

    /// A source whose offsets are on their way begins nowhere else.
    fn assign(&mut self, source: Source) {
        if self.owned.contains_key(&source) || self.is_asked_for(source) {
            return;
        }
        let (position, metadata) = &self.logs[&source].committed;
        let finished = Finished::from_bytes(*position, metadata).expect("the engine wrote it");
        let start = Start { source, position: *position, finished };
        let owned = Owned { start: start.clone(), next: *position, paused: false, leaving: false };
        self.owned.insert(source, owned);
        self.history.push(Happened::Assigned(start.clone()));
        self.happens(Event::Assigned(&[start]));
    }

    fn is_asked_for(&self, source: Source) -> bool {
        self.asked.as_ref().is_some_and(|asked| {
            asked.positions.iter().any(|position| position.source == source)
                || asked.batch.is_some_and(|id| self.rig.outputs(id).iter().any(|out| out.source == source))
        })
    }

    fn reach_end(&mut self, source: Source, hole: i64) {
        let (Some(owned), Some(log)) = (self.owned.get_mut(&source), self.logs.get_mut(&source)) else {
            return;
        };
        if owned.paused || log.records.last().is_some_and(|(last, _)| owned.next <= *last) {
            return;
        }
        log.end += hole;
        owned.next = log.end;
        let end = log.end;
        self.history.push(Happened::Ended(source, end));
        self.happens(Event::EndReached(source, end));
    }

    /// Reads on in the log, or appends to it first.
    fn deliver(&mut self, source: Source, hole: i64, what: &[What], defer: Option<usize>) {
        let (Some(owned), Some(log)) = (self.owned.get_mut(&source), self.logs.get_mut(&source)) else {
            return;
        };
        if owned.paused {
            return;
        }
        if log.records.last().is_none_or(|(last, _)| *last < owned.next) {
            let new: Vec<(i64, What)> = (log.end + hole..).zip(what.iter().copied()).collect();
            self.history.extend(new.iter().map(|(offset, _)| Happened::Appended(source, *offset)));
            log.end = new.last().map_or(log.end, |(last, _)| last + 1);
            log.records.extend(new);
        }
        let from = log.records.partition_point(|(offset, _)| *offset < owned.next);
        let mut records: Vec<(i64, What)> = log.records[from..].iter().take(POLL_MAX).copied().collect();
        owned.next = records.last().map_or(owned.next, |(last, _)| last + 1);
        if let Some((_, what)) = defer.and_then(|at| records.get_mut(at)) {
            *what = What::Defer;
        }
        let (judged, passed) = (self.rig.engine.stage().judged.len(), self.passed_over(source));
        let asked = self.rig.records(source, &records);
        let new = self.rig.engine.stage().judged[judged..].to_vec();
        let mut passed = self.passed_over(source) - passed;
        let finished = self.owned.get(&source).map(|owned| owned.start.finished.clone());
        for (offset, what) in records {
            if let Some(id) = new.iter().find(|id| id.offset == offset) {
                if what == What::Hold {
                    self.held.push(*id);
                }
                self.history.push(Happened::Judged(*id, what));
            } else if passed > 0 && finished.as_ref().is_some_and(|finished| finished.contains(offset)) {
                passed -= 1;
                self.history.push(Happened::PassedOver(source, offset));
            }
        }
        assert_eq!(passed, 0, "what is passed over was finished");
        self.write_down(asked);
    }

    fn passed_over(&self, source: Source) -> u64 {
        self.rig.engine.source_counts(source).map_or(0, |counts| counts.finished_before)
    }

    fn say(&mut self, pick: usize, how: u8, count: u8) {
        if self.held.is_empty() {
            return;
        }
        let mut id = self.held[pick % self.held.len()];
        if how > 4 {
            let leaves = |id: &&RecordId| self.owned.get(&id.source).is_some_and(|owned| owned.leaving);
            let Some(leaving) = self.held.iter().rfind(leaves) else { return };
            id = *leaving;
        }
        let kin = |other: &&RecordId| (other.source, other.epoch) == (id.source, id.epoch);
        let said = match how {
            0 => Said::Append { id, outputs: count },
            1 => Said::Drop(id),
            2 => Said::Reject(id),
            3 => Said::Emit { ids: vec![id], outputs: count, urgent: count == 1 },
            4 => {
                let ids = self.held.iter().filter(kin).take(3).copied().collect();
                Said::Emit { ids, outputs: count, urgent: false }
            }
            _ => Said::GiveBack(self.held.iter().filter(kin).take(2).copied().collect()),
        };
        match &said {
            Said::Append { .. } => {}
            Said::Drop(id) | Said::Reject(id) => self.held.retain(|other| other != id),
            Said::Emit { ids, .. } | Said::GiveBack(ids) => self.held.retain(|other| !ids.contains(other)),
        }
        self.history.push(Happened::Said(said.clone()));
        self.happens(Event::Completed(said));
    }

    fn answer(&mut self, ok: bool) {
        let Some(asked) = self.asked.take() else { return };
        let ok = ok && !asked.fenced;
        for Position { source, offset, finished } in asked.positions.iter().filter(|_| ok) {
            if let Some(log) = self.logs.get_mut(source) {
                log.committed = (*offset, finished.to_bytes(*offset));
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
                Action::Pause(source) => self.set_paused(source, true),
                Action::Resume(source) => self.set_paused(source, false),
                Action::Rewind(source, offset) => {
                    let owned = self.owned.get_mut(&source).expect("only what is owned goes back");
                    assert!(owned.paused && offset <= owned.next, "back, and while it is paused");
                    owned.next = offset;
                    self.history.push(Happened::Rewound(source));
                }
                Action::AcknowledgeRevocation { sources, .. } => {
                    for source in &sources {
                        self.owned.remove(source);
                    }
                    self.history.push(Happened::Acknowledged(sources));
                }
                Action::Stop(stop) => panic!("nothing in a script ends the engine: {stop:?}"),
            }
        }
        let engine = &self.rig.engine;
        self.history.extend(engine.poisoned().map(Happened::Poisoned));
        let counts =
            SOURCES.iter().filter_map(|source| Some((*source, engine.source_counts(*source)?.clone())));
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

    fn set_paused(&mut self, source: Source, paused: bool) {
        let told = self.owned.get_mut(&source).expect("only what is owned is paused or resumed");
        assert_ne!(told.paused, paused, "said only when it changes");
        told.paused = paused;
        self.history.push(Happened::Paused(source, paused));
    }
}
