//! Plays a script of events against an engine, as a correct shell would, and writes down what happens.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pipeline::{Action, BatchId, Counts, Delivery, Event, Load, Options, Position, RecordId, Source};
use proptest::prelude::*;

use crate::rig::{Out, Rig, Said, What};

/// Three partitions of two topics.
pub(crate) const SOURCES: [Source; 3] =
    [Source { topic: 0, partition: 0 }, Source { topic: 0, partition: 1 }, Source { topic: 1, partition: 0 }];

/// The most records that one step delivers.
pub(crate) const POLL_MAX: usize = 5;

/// One line of a script. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Records { source: usize, hole: i64, what: Vec<What> },
    End { source: usize, hole: i64 },
    Say { pick: usize, how: u8, count: u8 },
    Answer { ok: bool },
    Tick,
    Pass { millis: u64 },
    Assign { source: usize },
    Revoke { source: usize },
    Lose { source: usize },
    Rebuild,
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        3 => Just(What::Drop),
        3 => (1..3_u8).prop_map(What::Emit),
        4 => Just(What::Hold),
        1 => Just(What::Reject),
    ];
    let source = 0..SOURCES.len();
    let step = prop_oneof![
        8 => (source.clone(), 0..3_i64, prop::collection::vec(what, 1..=POLL_MAX))
            .prop_map(|(source, hole, what)| Step::Records { source, hole, what }),
        1 => (source.clone(), 0..3_i64).prop_map(|(source, hole)| Step::End { source, hole }),
        8 => (any::<usize>(), 0..5_u8, 1..3_u8).prop_map(|(pick, how, count)| Step::Say { pick, how, count }),
        8 => prop::bool::weighted(0.7).prop_map(|ok| Step::Answer { ok }),
        4 => Just(Step::Tick),
        2 => (0..150_u64).prop_map(|millis| Step::Pass { millis }),
        3 => source.clone().prop_map(|source| Step::Assign { source }),
        1 => source.clone().prop_map(|source| Step::Revoke { source }),
        1 => source.prop_map(|source| Step::Lose { source }),
        1 => Just(Step::Rebuild),
    ];
    prop::collection::vec(step, 1..150)
}

pub(crate) fn options(mode: Delivery) -> Options {
    Options {
        batch_max_outputs: 5,
        held_max_records: 12,
        ledger_max_records: 10,
        outputs_max: 12,
        drain_budget: std::time::Duration::from_millis(300),
        rejects_in_a_row_max: 4,
        ..Options::new(mode)
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happened {
    Assigned(Source, i64),
    Judged(RecordId, What),
    Ended(Source, i64),
    Said(Said),
    Revoked(Source),
    Poisoned(Source),
    Gone(Source),
    Asked { positions: Vec<Position>, batch: Option<BatchId>, outputs: Vec<Out> },
    Answered { ok: bool },
    Paused(Source, bool),
    Acknowledged(Vec<Source>),
    Settled { load: Load, counts: BTreeMap<Source, Counts>, all: Counts },
}

struct Asked {
    batch: Option<BatchId>,
    transactional: bool,
}

struct Player {
    rig: Rig,
    history: Vec<Happened>,
    /// Where delivery stands.
    next: [i64; 3],
    /// Owned, with whether it is paused and whether it is asked back.
    owned: BTreeMap<Source, (bool, bool)>,
    /// What the stage holds; those of assignments that have ended stay in it, and are said in vain.
    held: Vec<RecordId>,
    asked: Option<Asked>,
}

/// Plays a script from beginning to end.
pub(crate) fn play(mode: Delivery, script: &[Step]) -> Vec<Happened> {
    let rig = Rig::new(options(mode));
    let (held, asked) = (Vec::new(), None);
    let mut player = Player { rig, history: Vec::new(), next: [0; 3], owned: BTreeMap::new(), held, asked };
    for step in script {
        player.step(step);
    }
    assert_eq!(player.rig.engine.violations(), [0; 8]);
    player.history
}

impl Player {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Records { source, hole, what } => self.deliver(*source, *hole, what),
            Step::End { source, hole } => {
                let place = SOURCES[*source];
                if self.owned.get(&place).is_some_and(|(paused, _)| !paused) {
                    self.next[*source] += hole;
                    self.history.push(Happened::Ended(place, self.next[*source]));
                    self.happens(Event::EndReached(place, self.next[*source]));
                }
            }
            Step::Say { pick, how, count } => self.say(*pick, *how, *count),
            Step::Answer { ok } => self.answer(*ok),
            Step::Tick => self.happens(Event::Tick),
            Step::Pass { millis } => {
                self.rig.now_ms += millis;
                self.happens(Event::Tick);
            }
            Step::Assign { source } => {
                let place = SOURCES[*source];
                if let Entry::Vacant(vacant) = self.owned.entry(place) {
                    vacant.insert((false, false));
                    self.history.push(Happened::Assigned(place, self.next[*source]));
                    self.happens(Event::Assigned(&[(place, self.next[*source])]));
                }
            }
            Step::Revoke { source } => {
                let place = SOURCES[*source];
                if let Some((_, leaving)) = self.owned.get_mut(&place).filter(|(_, leaving)| !leaving) {
                    *leaving = true;
                    self.history.push(Happened::Revoked(place));
                    self.happens(Event::Revoked(&[place]));
                }
            }
            Step::Lose { source } => {
                let place = SOURCES[*source];
                if self.owned.remove(&place).is_some() {
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

    fn deliver(&mut self, source: usize, hole: i64, what: &[What]) {
        let place = SOURCES[source];
        if self.owned.get(&place).is_none_or(|(paused, _)| *paused) {
            return;
        }
        let from = self.next[source] + hole;
        let records: Vec<(i64, What)> = (from..).zip(what.iter().copied()).collect();
        self.next[source] = from + i64::try_from(records.len()).expect("a poll is short");
        let judged = self.rig.engine.stage().judged.len();
        let asked = self.rig.records(place, &records);
        let new = self.rig.engine.stage().judged[judged..].to_vec();
        for (id, (_, what)) in new.into_iter().zip(records) {
            if what == What::Hold {
                self.held.push(id);
            }
            self.history.push(Happened::Judged(id, what));
        }
        self.write_down(asked);
    }

    fn say(&mut self, pick: usize, how: u8, count: u8) {
        if self.held.is_empty() {
            return;
        }
        let id = self.held[pick % self.held.len()];
        let said = match how {
            0 => Said::Append { id, outputs: count },
            1 => Said::Drop(id),
            2 => Said::Reject(id),
            3 => Said::Emit { ids: vec![id], outputs: count, urgent: count == 1 },
            _ => {
                let kin = |other: &&RecordId| (other.source, other.epoch) == (id.source, id.epoch);
                let ids = self.held.iter().filter(kin).take(3).copied().collect();
                Said::Emit { ids, outputs: count, urgent: false }
            }
        };
        match &said {
            Said::Append { .. } => {}
            Said::Drop(id) | Said::Reject(id) => self.held.retain(|other| other != id),
            Said::Emit { ids, .. } => self.held.retain(|other| !ids.contains(other)),
        }
        self.history.push(Happened::Said(said.clone()));
        self.happens(Event::Completed(said));
    }

    fn answer(&mut self, ok: bool) {
        let Some(asked) = self.asked.take() else { return };
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

    fn happens(&mut self, event: Event<'_, crate::rig::Told>) {
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
                Action::AcknowledgeRevocation(sources) => {
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
        let before = self.asked.replace(Asked { batch, transactional });
        assert!(before.is_none(), "one thing at a time is asked of Kafka");
        let outputs = batch.map_or_else(Vec::new, |batch| self.rig.outputs(batch));
        self.history.push(Happened::Asked { positions, batch, outputs });
    }

    fn set_paused(&mut self, source: Source, paused: bool) {
        let told = self.owned.get_mut(&source).expect("only what is owned is paused or resumed");
        assert_ne!(told.0, paused, "said only when it changes");
        told.0 = paused;
        self.history.push(Happened::Paused(source, paused));
    }
}
