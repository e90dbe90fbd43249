//! Runs a script of events against an engine, as a correct shell would, and records the history.
//!
//! Each partition is a log: its owner reads what was appended, from the last committed position. A request for a partition that is
//! lost meanwhile fails, because the generation fences it.

use std::collections::BTreeMap;

use pipeline::{
    Action, BatchId, CompletedRanges, Counts, Delivery, Epoch, Event, InputPartition, Load, Options,
    Position, RecordId, Start,
};

use crate::harness::{Harness, Out, ScriptedStage, What, Work};
use crate::script::Step;

/// Three partitions of two topics.
pub(crate) const PARTITIONS: [InputPartition; 3] = [
    InputPartition { topic: 0, partition: 0 },
    InputPartition { topic: 0, partition: 1 },
    InputPartition { topic: 1, partition: 0 },
];

/// Largest number of records that one step delivers.
pub(crate) const POLL_MAX: usize = 5;

/// [`Options::originated_outputs_max`] of the histories.
pub(crate) const ORIGINATED_MAX: usize = 5;

pub(crate) fn options(mode: Delivery) -> Options {
    Options {
        batch_outputs_max: 5,
        held_records_max: 12,
        ledger_records_max: 10,
        outputs_max: 12,
        originated_outputs_max: ORIGINATED_MAX,
        completed_ranges_max_bytes: 9,
        defer_wait_first: std::time::Duration::from_millis(20),
        defer_wait_max: std::time::Duration::from_millis(80),
        drain_budget: std::time::Duration::from_millis(300),
        consecutive_rejects_max: 4,
        ..Options::new(mode)
    }
}

/// The epochs of the assigned partitions.
pub(crate) type Epochs = BTreeMap<InputPartition, Epoch>;

/// The facts of a history, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    Assigned(Start),
    /// The next record of the partition's log.
    Appended(InputPartition, i64),
    Processed(RecordId, What),
    /// Skipped without the rules, because an earlier owner completed it.
    Skipped(InputPartition, i64),
    Ended(InputPartition, i64),
    WorkCompleted(Work),
    /// An output that the stage created.
    Created(Out),
    Revoked(InputPartition),
    Stopped(InputPartition),
    Gone(InputPartition),
    Requested {
        positions: Vec<Position>,
        batch: Option<BatchId>,
        outputs: Vec<Out>,
        epochs: Epochs,
    },
    OutcomeReported {
        ok: bool,
    },
    Paused(InputPartition, bool),
    Rewound(InputPartition),
    Acknowledged(Vec<InputPartition>),
    Settling {
        load: Load,
        counts: BTreeMap<InputPartition, Counts>,
        epochs: Epochs,
        all: Counts,
    },
}

struct Requested {
    batch: Option<BatchId>,
    transactional: bool,
    positions: Vec<Position>,
    /// Another member owns one of its partitions by now.
    fenced: bool,
}

#[derive(Default)]
struct Log {
    records: Vec<(i64, What)>,
    end: i64,
    /// The committed offset and metadata of the group.
    committed: (i64, Vec<u8>),
}

struct Owned {
    start: Start,
    next: i64,
    paused: bool,
    leaving: bool,
}

struct Player {
    harness: Harness,
    history: Vec<Fact>,
    logs: BTreeMap<InputPartition, Log>,
    owned: BTreeMap<InputPartition, Owned>,
    /// Records held by the stage, including those of ended assignments, whose effects are discarded.
    held: Vec<RecordId>,
    requested: Option<Requested>,
    /// Created outputs that the history contains.
    created: usize,
}

/// Runs a script from beginning to end.
pub(crate) fn play(mode: Delivery, script: &[Step]) -> Vec<Fact> {
    let mut player = Player {
        harness: Harness::new(options(mode)),
        history: Vec::new(),
        logs: PARTITIONS.iter().map(|input| (*input, Log::default())).collect(),
        owned: BTreeMap::new(),
        held: Vec::new(),
        requested: None,
        created: 0,
    };
    for step in script {
        player.step(step);
    }
    assert_eq!(player.harness.engine.violations(), [0; 8]);
    player.history
}

impl Player {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Records { input, hole, what, defer } => {
                self.deliver(PARTITIONS[*input], *hole, what, *defer);
            }
            Step::End { input, hole } => self.reach_end(PARTITIONS[*input], *hole),
            Step::CompleteWork { pick, how, count } => self.complete_work(*pick, *how, *count),
            Step::Originate { input, count, last } => self.originate(PARTITIONS[*input], *count, *last),
            Step::Outcome { ok } => self.report_outcome(*ok),
            Step::Tick => self.apply(Event::Tick),
            Step::Pass { millis } => {
                self.harness.now_ms += millis;
                self.apply(Event::Tick);
            }
            Step::Assign { input } => self.assign(PARTITIONS[*input]),
            Step::Revoke { input } => {
                let partition = PARTITIONS[*input];
                if let Some(owned) = self.owned.get_mut(&partition).filter(|owned| !owned.leaving) {
                    owned.leaving = true;
                    self.history.push(Fact::Revoked(partition));
                    self.apply(Event::Revoked(&[partition]));
                }
            }
            Step::Lose { input } => {
                let partition = PARTITIONS[*input];
                if self.owned.remove(&partition).is_some() {
                    let concerned = self.is_asked_for(partition);
                    if let Some(requested) = &mut self.requested {
                        requested.fenced |= concerned;
                    }
                    self.history.push(Fact::Gone(partition));
                    self.apply(Event::Lost(&[partition]));
                }
            }
            Step::RecreateClients => {
                self.history.extend(self.owned.keys().map(|input| Fact::Gone(*input)));
                self.owned.clear();
                self.requested = None;
                self.apply(Event::ClientsRecreated);
            }
        }
    }

    /// A partition with a commit in flight is not assigned before its outcome.
    fn assign(&mut self, input: InputPartition) {
        if self.owned.contains_key(&input) || self.is_asked_for(input) {
            return;
        }
        let (position, metadata) = &self.logs[&input].committed;
        let completed = CompletedRanges::from_bytes(*position, metadata).expect("the engine wrote it");
        let start = Start { input, position: *position, completed };
        let owned = Owned { start: start.clone(), next: *position, paused: false, leaving: false };
        self.owned.insert(input, owned);
        self.history.push(Fact::Assigned(start.clone()));
        self.apply(Event::Assigned(&[start]));
    }

    fn is_asked_for(&self, input: InputPartition) -> bool {
        self.requested.as_ref().is_some_and(|requested| {
            requested.positions.iter().any(|position| position.input == input)
                || requested
                    .batch
                    .is_some_and(|id| self.harness.outputs(id).iter().any(|out| out.input == input))
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
        self.history.push(Fact::Ended(input, end));
        self.apply(Event::EndReached(input, end));
    }

    /// Reads the log further, and appends to it if it ends.
    fn deliver(&mut self, input: InputPartition, hole: i64, what: &[What], defer: Option<usize>) {
        let (Some(owned), Some(log)) = (self.owned.get_mut(&input), self.logs.get_mut(&input)) else {
            return;
        };
        if owned.paused {
            return;
        }
        if log.records.last().is_none_or(|(last, _)| *last < owned.next) {
            let new: Vec<(i64, What)> = (log.end + hole..).zip(what.iter().copied()).collect();
            self.history.extend(new.iter().map(|(offset, _)| Fact::Appended(input, *offset)));
            log.end = new.last().map_or(log.end, |(last, _)| last + 1);
            log.records.extend(new);
        }
        let from = log.records.partition_point(|(offset, _)| *offset < owned.next);
        let mut records: Vec<(i64, What)> = log.records[from..].iter().take(POLL_MAX).copied().collect();
        owned.next = records.last().map_or(owned.next, |(last, _)| last + 1);
        if let Some((_, what)) = defer.and_then(|at| records.get_mut(at)) {
            *what = What::Defer;
        }
        let (processed, passed) = (self.harness.engine.stage().processed.len(), self.passed_over(input));
        let requested = self.harness.records(input, &records);
        let new = self.harness.engine.stage().processed[processed..].to_vec();
        let mut passed = self.passed_over(input) - passed;
        let completed = self.owned.get(&input).map(|owned| owned.start.completed.clone());
        for (offset, what) in records {
            if let Some(id) = new.iter().find(|id| id.offset == offset) {
                if what == What::Hold {
                    self.held.push(*id);
                }
                self.history.push(Fact::Processed(*id, what));
            } else if passed > 0 && completed.as_ref().is_some_and(|completed| completed.contains(offset)) {
                passed -= 1;
                self.history.push(Fact::Skipped(input, offset));
            }
        }
        assert_eq!(passed, 0, "what is passed over was completed");
        self.write_down(requested);
    }

    fn passed_over(&self, input: InputPartition) -> u64 {
        self.harness.engine.partition_counts(input).map_or(0, |counts| counts.skipped_completed)
    }

    fn complete_work(&mut self, pick: usize, how: u8, count: u8) {
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
        let work = match how {
            0 => Work::Append { id, outputs: count },
            1 => Work::Drop(id),
            2 => Work::Reject(id),
            3 => Work::Emit { ids: vec![id], outputs: count, urgent: count == 1 },
            4 => {
                let ids = self.held.iter().filter(kin).take(3).copied().collect();
                Work::Emit { ids, outputs: count, urgent: false }
            }
            _ => Work::Release(self.held.iter().filter(kin).take(2).copied().collect()),
        };
        match &work {
            Work::Append { .. } | Work::Originate { .. } => {}
            Work::Drop(id) | Work::Reject(id) => self.held.retain(|other| other != id),
            Work::Emit { ids, .. } | Work::Release(ids) => self.held.retain(|other| !ids.contains(other)),
        }
        self.history.push(Fact::WorkCompleted(work.clone()));
        self.apply(Event::Completed(work));
    }

    fn originate(&mut self, input: InputPartition, outputs: u8, last: bool) {
        let Some(epoch) = self.harness.engine.epoch(input).filter(|epoch| !last || epoch.0 > 1) else {
            return;
        };
        let epoch = if last { Epoch(epoch.0 - 1) } else { epoch };
        self.apply(Event::Completed(Work::Originate { input, epoch, outputs }));
    }

    fn report_outcome(&mut self, ok: bool) {
        let Some(requested) = self.requested.take() else { return };
        let ok = ok && !requested.fenced;
        for Position { input, offset, completed } in requested.positions.iter().filter(|_| ok) {
            if let Some(log) = self.logs.get_mut(input) {
                log.committed = (*offset, completed.to_bytes(*offset));
            }
        }
        self.history.push(Fact::OutcomeReported { ok });
        self.apply(match (requested.batch, ok, requested.transactional) {
            (None, true, _) => Event::OffsetsCommitted,
            (None, false, _) => Event::OffsetCommitFailed,
            (Some(batch), true, true) => Event::Committed(batch),
            (Some(batch), false, true) => Event::Aborted(batch),
            (Some(batch), true, false) => Event::Delivered(batch),
            (Some(batch), false, false) => Event::DeliveryFailed(batch),
        });
    }

    fn apply(&mut self, event: Event<'_, ScriptedStage>) {
        let requested = self.harness.apply(event);
        self.write_down(requested);
    }

    fn write_down(&mut self, actions: Vec<Action>) {
        let created = &self.harness.engine.stage().created[self.created..];
        self.created += created.len();
        self.history.extend(created.iter().cloned().map(Fact::Created));
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
                    self.history.push(Fact::Rewound(input));
                }
                Action::AcknowledgeRevocation { inputs, .. } => {
                    for input in &inputs {
                        self.owned.remove(input);
                    }
                    self.history.push(Fact::Acknowledged(inputs));
                }
                Action::Stop(stop) => panic!("nothing in a script ends the engine: {stop:?}"),
            }
        }
        let epochs = self.epochs();
        let engine = &self.harness.engine;
        self.history.extend(engine.stopped_partitions().map(Fact::Stopped));
        let counts =
            PARTITIONS.iter().filter_map(|input| Some((*input, engine.partition_counts(*input)?.clone())));
        let settled =
            Fact::Settling { load: engine.load(), counts: counts.collect(), epochs, all: engine.counts() };
        self.history.push(settled);
    }

    fn take_on(&mut self, batch: Option<BatchId>, positions: Vec<Position>, transactional: bool) {
        let requested = Requested { batch, transactional, positions: positions.clone(), fenced: false };
        assert!(self.requested.replace(requested).is_none(), "one request is in flight at a time");
        let outputs = batch.map_or_else(Vec::new, |batch| self.harness.outputs(batch));
        self.history.push(Fact::Requested { positions, batch, outputs, epochs: self.epochs() });
    }

    fn epochs(&self) -> Epochs {
        PARTITIONS.iter().filter_map(|input| Some((*input, self.harness.engine.epoch(*input)?))).collect()
    }

    fn set_paused(&mut self, input: InputPartition, paused: bool) {
        let owned = self.owned.get_mut(&input).expect("only what is owned is paused or resumed");
        assert_ne!(owned.paused, paused, "work only when it changes");
        owned.paused = paused;
        self.history.push(Fact::Paused(input, paused));
    }
}
