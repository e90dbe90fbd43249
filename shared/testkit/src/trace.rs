//! The trace of a run: every step as numbers, digested whole, and the last steps kept for a failure.

use std::collections::{BTreeMap, VecDeque};

use pipeline::{Action, InputPartition, Position, RecordId, Start, Stop};

use crate::events::{GroupEvent, Outcome};
use crate::rules::{Plan, Record};

/// Number of steps that a failure shows.
const KEPT_STEPS: usize = 60;

/// One step of a run. The first number of most is the instance.
///
/// The digest of a trace depends on these numbers alone, so that no change of a name or of a text changes it.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Calm,
    SessionExpired(u32),
    Assigned(u32, &'a Start),
    Started(u32),
    Completed(u32, &'a Outcome),
    Received(u32, &'a GroupEvent),
    Read(u32, InputPartition, &'a [(i64, Record)]),
    EndReached(u32, InputPartition, i64),
    WorkCompleted(u32, RecordId),
    Requested(u32, &'a Action),
    ClientsRecreated(u32),
    Crashed(u32),
    ShutdownRequested(u32),
    /// The transaction of an instance that is gone, and whether it was committed.
    OrphanEnded(u64, bool),
    /// A generation, the owner of each partition in it, and the partitions to revoke for each member.
    Rebalanced(u32, &'a BTreeMap<InputPartition, u32>, &'a BTreeMap<u32, Vec<InputPartition>>),
}

/// A running digest over every step, and the text of the last ones.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    digest: Digest,
    last: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { digest: Digest::new(), last: VecDeque::with_capacity(KEPT_STEPS) }
    }

    pub(crate) fn record(&mut self, step: &Step<'_>) {
        self.digest.step(step);
        let mut text =
            if self.last.len() < KEPT_STEPS { None } else { self.last.pop_front() }.unwrap_or_default();
        text.clear();
        std::fmt::write(&mut text, format_args!("{step:?}")).expect("writing to a string doesn't fail");
        self.last.push_back(text);
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.0
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}

/// FNV-1a, 64 bits, over numbers. Every list is preceded by its length, every choice by its code.
#[derive(Debug, Clone)]
struct Digest(u64);

impl Digest {
    const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn number(&mut self, number: impl Into<i128>) {
        self.bytes(&number.into().to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }

    fn step(&mut self, step: &Step<'_>) {
        match *step {
            Step::Calm => self.numbers([0]),
            Step::SessionExpired(id) => self.numbers([1, id.into()]),
            Step::Assigned(id, start) => {
                self.numbers([2, id.into()]);
                self.start(start);
            }
            Step::Started(id) => self.numbers([3, id.into()]),
            Step::Completed(id, outcome) => {
                self.numbers([4, id.into()]);
                self.outcome(outcome);
            }
            Step::Received(id, group_events) => {
                self.numbers([5, id.into()]);
                self.group_events(group_events);
            }
            Step::Read(id, input, records) => {
                self.numbers([6, id.into()]);
                self.input(input);
                self.length(records.len());
                for (offset, record) in records {
                    self.number(*offset);
                    self.record(record);
                }
            }
            Step::EndReached(id, input, end) => {
                self.numbers([7, id.into()]);
                self.input(input);
                self.number(end);
            }
            Step::WorkCompleted(id, record) => {
                self.numbers([8, id.into()]);
                self.input(record.input);
                self.numbers([record.epoch.0.into(), record.offset.into()]);
            }
            Step::Requested(id, action) => {
                self.numbers([9, id.into()]);
                self.action(action);
            }
            Step::ClientsRecreated(id) => self.numbers([10, id.into()]),
            Step::Crashed(id) => self.numbers([11, id.into()]),
            Step::ShutdownRequested(id) => self.numbers([12, id.into()]),
            Step::OrphanEnded(id, committed) => self.numbers([13, id.into(), committed.into()]),
            Step::Rebalanced(generation, owners, revoked) => self.rebalance(generation, owners, revoked),
        }
    }

    fn rebalance(
        &mut self,
        generation: u32,
        owners: &BTreeMap<InputPartition, u32>,
        revoked: &BTreeMap<u32, Vec<InputPartition>>,
    ) {
        self.numbers([14, generation.into()]);
        self.length(owners.len());
        for (input, member) in owners {
            self.input(*input);
            self.number(*member);
        }
        self.length(revoked.len());
        for (member, inputs) in revoked {
            self.number(*member);
            self.inputs(inputs);
        }
    }

    fn numbers<const N: usize>(&mut self, numbers: [i128; N]) {
        for number in numbers {
            self.number(number);
        }
    }

    fn input(&mut self, input: InputPartition) {
        self.numbers([input.topic.into(), input.partition.into()]);
    }

    fn inputs(&mut self, inputs: &[InputPartition]) {
        self.length(inputs.len());
        for input in inputs {
            self.input(*input);
        }
    }

    fn start(&mut self, start: &Start) {
        self.position(&Position {
            input: start.input,
            offset: start.position,
            completed: start.completed.clone(),
        });
    }

    fn position(&mut self, position: &Position) {
        self.input(position.input);
        self.number(position.offset);
        self.length(position.completed.ranges().len());
        for range in position.completed.ranges() {
            self.numbers([range.start.into(), range.end.into()]);
        }
    }

    fn positions(&mut self, positions: &[Position]) {
        self.length(positions.len());
        for position in positions {
            self.position(position);
        }
    }

    fn record(&mut self, record: &Record) {
        let (plan, count) = match record.plan {
            Plan::Drop => (0, 0),
            Plan::Emit(count) => (1, count),
            Plan::Reject => (2, 0),
            Plan::Collect => (3, 0),
            Plan::Work(count) => (4, count),
            Plan::WorkDrop => (5, 0),
            Plan::WorkReject => (6, 0),
            Plan::WorkChunks(count) => (7, count),
        };
        let flags = [record.fails.into(), record.defers.into()];
        self.numbers([record.id.into(), record.key.into(), plan, count.into()]);
        self.numbers(flags);
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match *outcome {
            Outcome::Committed(batch) => self.numbers([0, batch.0.into()]),
            Outcome::Aborted(batch) => self.numbers([1, batch.0.into()]),
            Outcome::Delivered(batch) => self.numbers([2, batch.0.into()]),
            Outcome::DeliveryFailed(batch) => self.numbers([3, batch.0.into()]),
            Outcome::OffsetsCommitted => self.numbers([4]),
            Outcome::OffsetCommitFailed => self.numbers([5]),
        }
    }

    fn group_events(&mut self, group_events: &GroupEvent) {
        match group_events {
            GroupEvent::Assigned(start, _) => {
                self.number(0);
                self.start(start);
            }
            GroupEvent::Revoked(inputs) => {
                self.number(1);
                self.inputs(inputs);
            }
            GroupEvent::Lost => self.number(2),
        }
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::Transact { batch, positions } => {
                self.numbers([0, batch.0.into()]);
                self.positions(positions);
            }
            Action::Produce { batch } => self.numbers([1, batch.0.into()]),
            Action::Commit { positions } => {
                self.number(2);
                self.positions(positions);
            }
            Action::Pause(input) => {
                self.number(3);
                self.input(*input);
            }
            Action::Resume(input) => {
                self.number(4);
                self.input(*input);
            }
            Action::Rewind(input, offset) => {
                self.number(5);
                self.input(*input);
                self.number(*offset);
            }
            Action::AcknowledgeRevocation { inputs, left } => {
                self.number(6);
                self.inputs(inputs);
                self.number(*left);
            }
            Action::Stop(Stop::Drained) => self.number(7),
            Action::Stop(Stop::DrainTimedOut { held }) => self.numbers([8, (*held).into()]),
            Action::Stop(Stop::Failed(_)) => self.number(9),
        }
    }
}
