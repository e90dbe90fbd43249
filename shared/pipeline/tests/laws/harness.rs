//! Test harness: a stage controlled by its records, and its engine.

use std::time::Duration;

use pipeline::{
    Action, BatchId, CompletedRanges, Delivery, Effect, Effects, Engine, Epoch, Event, InputPartition, Now,
    Options, Position, Reason, RecordId, Stage, Start, Verdict,
};

/// Two partitions for examples.
pub(crate) const A: InputPartition = InputPartition { topic: 0, partition: 0 };
pub(crate) const B: InputPartition = InputPartition { topic: 1, partition: 0 };

/// A record, which determines its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Emit(u8),
    Drop,
    Hold,
    Reject,
    Defer,
    /// Deferred with an effect, which is invalid.
    DeferHaving(RecordId),
    Fail,
}

/// A completion, which determines the effects of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    Emit {
        ids: Vec<RecordId>,
        outputs: u8,
        urgent: bool,
    },
    Append {
        id: RecordId,
        outputs: u8,
    },
    Drop(RecordId),
    Reject(RecordId),
    Release(Vec<RecordId>),
    /// Originated if there is room.
    Originate {
        input: InputPartition,
        epoch: Epoch,
        outputs: u8,
    },
}

/// An output, with the records that it resolves and its creation order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) serial: u64,
    pub(crate) ends: Vec<RecordId>,
    pub(crate) input: InputPartition,
    pub(crate) epoch: Epoch,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OfRecords,
    DeadLetter,
    Originated,
}

#[derive(Debug, Default)]
pub(crate) struct ScriptedStage {
    serial: u64,
    /// All outputs, in the order of creation.
    pub(crate) created: Vec<Out>,
    /// The number of times that there was no room to originate.
    pub(crate) without_room: usize,
    pub(crate) ignores_room: bool,
    pub(crate) processed: Vec<RecordId>,
    /// The partitions whose end was reached, in order.
    pub(crate) ends: Vec<InputPartition>,
    pub(crate) drained: Vec<Vec<InputPartition>>,
    pub(crate) released: Vec<InputPartition>,
    pub(crate) full_topic: Option<u16>,
}

impl ScriptedStage {
    fn out(&mut self, of: (InputPartition, Epoch), ends: &[RecordId], kind: Kind) -> Out {
        self.serial += 1;
        let (input, epoch) = of;
        let out = Out { serial: self.serial, ends: ends.to_vec(), input, epoch, kind };
        self.created.push(out.clone());
        out
    }

    fn outs(&mut self, count: u8, id: RecordId, ends: &[RecordId]) -> Vec<Out> {
        (0..count).map(|_| self.out((id.input, id.epoch), ends, Kind::OfRecords)).collect()
    }

    fn dead_letter(&mut self, id: RecordId) -> Out {
        self.out((id.input, id.epoch), &[id], Kind::DeadLetter)
    }
}

impl Stage for ScriptedStage {
    type Record<'a> = What;
    type Output = Out;
    type Completion = Work;

    fn assigned(&mut self, _source: InputPartition, _epoch: Epoch, _now: Now) {}

    fn unassigned(&mut self, input: InputPartition) {
        self.released.push(input);
    }

    fn process(&mut self, id: RecordId, record: What, _now: Now, effects: &mut Effects<Out>) -> Verdict<Out> {
        if record != What::Defer {
            self.processed.push(id);
        }
        match record {
            What::Defer => Verdict::Defer("away".to_owned()),
            What::DeferHaving(id) => {
                effects.push(Effect::Drop { id, reason: Reason("had") });
                Verdict::Defer("away".to_owned())
            }
            What::Emit(count) => Verdict::Emit(self.outs(count, id, &[id])),
            What::Drop => Verdict::Drop(Reason("scripted")),
            What::Hold => Verdict::Hold,
            What::Reject => Verdict::Reject(self.dead_letter(id)),
            What::Fail => Verdict::Fail("scripted".to_owned()),
        }
    }

    fn reached_end(&mut self, input: InputPartition) {
        self.ends.push(input);
    }

    fn completed(&mut self, work: Work, _now: Now, effects: &mut Effects<Out>) {
        effects.push(match work {
            Work::Emit { ids, outputs, urgent } => {
                let outputs = ids.first().map_or_else(Vec::new, |first| self.outs(outputs, *first, &ids));
                Effect::Emit { outputs, ids, urgent }
            }
            Work::Append { id, outputs } => {
                Effect::Append { on_behalf_of: id, outputs: self.outs(outputs, id, &[]) }
            }
            Work::Drop(id) => Effect::Drop { id, reason: Reason("scripted later") },
            Work::Release(ids) => Effect::Release { ids },
            Work::Reject(id) => Effect::Reject { id, dead_letter: self.dead_letter(id) },
            Work::Originate { input, outputs, .. }
                if !self.ignores_room && effects.room_to_originate(input) < outputs.into() =>
            {
                self.without_room += 1;
                return;
            }
            Work::Originate { input, epoch, outputs } => {
                let out = |_| self.out((input, epoch), &[], Kind::Originated);
                Effect::Originate { input, epoch, outputs: (0..outputs).map(out).collect() }
            }
        });
    }

    fn tick(&mut self, _now: Now, _effects: &mut Effects<Out>) {}

    fn drain(&mut self, inputs: &[InputPartition], _now: Now, _effects: &mut Effects<Out>) {
        self.drained.push(inputs.to_vec());
    }

    fn is_full(&self, topic: u16) -> bool {
        self.full_topic == Some(topic)
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        None
    }
}

/// An engine, the time, and the last requests.
pub(crate) struct Harness {
    pub(crate) engine: Engine<ScriptedStage>,
    pub(crate) now_ms: u64,
}

impl Harness {
    pub(crate) fn new(options: Options) -> Self {
        Self { engine: Engine::new(ScriptedStage::default(), options), now_ms: 1_000 }
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic: Duration::from_millis(self.now_ms), wall_micros: 0 }
    }

    /// Applies an event, settles, and returns the requested actions.
    pub(crate) fn apply(&mut self, event: Event<'_, ScriptedStage>) -> Vec<Action> {
        let now = self.now();
        self.engine.apply(event, now);
        self.engine.settle(now);
        std::iter::from_fn(|| self.engine.take_action()).collect()
    }

    pub(crate) fn records(&mut self, input: InputPartition, records: &[(i64, What)]) -> Vec<Action> {
        self.apply(Event::Records(input, &mut records.iter().copied()))
    }

    pub(crate) fn outputs(&self, batch: BatchId) -> Vec<Out> {
        self.engine.batch(batch).cloned().collect()
    }
}

/// An assignment without completed ranges.
pub(crate) fn start(input: InputPartition, position: i64) -> Start {
    Start { input, position, completed: CompletedRanges::none() }
}

pub(crate) fn id(input: InputPartition, epoch: u32, offset: i64) -> RecordId {
    RecordId { input, epoch: Epoch(epoch), offset }
}

pub(crate) fn at(input: InputPartition, offset: i64) -> Position {
    Position { input, offset, completed: CompletedRanges::none() }
}

pub(crate) fn transact(batch: u64, positions: &[Position]) -> Action {
    Action::Transact { batch: BatchId(batch), positions: positions.to_vec() }
}

pub(crate) fn commit(positions: &[Position]) -> Action {
    Action::Commit { positions: positions.to_vec() }
}

pub(crate) fn acknowledged(input: InputPartition, left: u64) -> Action {
    Action::AcknowledgeRevocation { inputs: vec![input], left }
}

/// An engine that owns both partitions, from offset 0.
pub(crate) fn harness_with(change: impl FnOnce(&mut Options)) -> Harness {
    let mut options = Options::new(Delivery::Transactional);
    change(&mut options);
    let mut harness = Harness::new(options);
    assert_eq!(harness.apply(Event::Assigned(&[start(A, 0), start(B, 0)])), []);
    harness
}

pub(crate) fn harness() -> Harness {
    harness_with(|_| {})
}
