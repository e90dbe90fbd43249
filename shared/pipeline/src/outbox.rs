//! The outbox: emissions wait in the order in which they were made, leave as one batch at a time, and are kept until acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::{BatchId, Epoch, InputPartition, Now, RecordId};

/// The records that an emission ends.
#[derive(Debug)]
pub(crate) enum Ends {
    /// None: it acts for a record that stays held.
    Nothing,
    /// One, judged and emitted in one go.
    Emitted(i64),
    /// Held ones, merged.
    Merged(Vec<RecordId>),
    /// One, and the output is its dead letter.
    Rejected(i64),
}

/// Outputs that leave together, on behalf of one input in one assignment.
#[derive(Debug)]
pub(crate) struct Emission<O> {
    pub(crate) sequence: u64,
    pub(crate) input: InputPartition,
    pub(crate) epoch: Epoch,
    pub(crate) ends: Ends,
    pub(crate) outputs: Vec<O>,
    pub(crate) urgent: bool,
    /// Monotonic time at which it came.
    pub(crate) since: Duration,
}

impl<O> Emission<O> {
    pub(crate) fn records(&self) -> usize {
        match &self.ends {
            Ends::Nothing => 0,
            Ends::Emitted(_) | Ends::Rejected(_) => 1,
            Ends::Merged(ids) => ids.len(),
        }
    }
}

/// The batch in flight.
#[derive(Debug)]
pub(crate) struct Batch<O> {
    pub(crate) id: BatchId,
    pub(crate) emissions: Vec<Emission<O>>,
    /// The inputs it acts for, sorted.
    pub(crate) acts_for: Vec<InputPartition>,
    /// What its transaction commits; empty at least once.
    pub(crate) promises: Vec<Promise>,
}

/// A position that was asked to be committed, for the assignment that asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) input: InputPartition,
    pub(crate) epoch: Epoch,
    pub(crate) offset: i64,
}

impl<O> Batch<O> {
    pub(crate) fn concerns(&self, input: InputPartition) -> bool {
        self.acts_for.binary_search(&input).is_ok()
            || self.promises.iter().any(|promise| promise.input == input)
    }

    /// The number behind its last emission.
    pub(crate) fn end(&self) -> u64 {
        self.emissions.last().map_or(0, |last| last.sequence + 1)
    }
}

/// Waiting emissions and the one batch in flight.
#[derive(Debug)]
pub(crate) struct Outbox<O> {
    waiting: VecDeque<Emission<O>>,
    waiting_outputs: usize,
    waiting_urgent: usize,
    in_flight: Option<Batch<O>>,
    in_flight_outputs: usize,
    next_sequence: u64,
    next_batch: u64,
}

impl<O> Outbox<O> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_outputs: 0,
            waiting_urgent: 0,
            in_flight: None,
            in_flight_outputs: 0,
            next_sequence: 0,
            next_batch: 0,
        }
    }

    /// The number that the next emission gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Appends outputs on behalf of a record, under [`Outbox::next_sequence`].
    pub(crate) fn push(&mut self, id: RecordId, ends: Ends, outputs: Vec<O>, urgent: bool, now: Now) {
        let (sequence, since) = (self.next_sequence, now.monotonic);
        self.next_sequence += 1;
        let emission = Emission { sequence, input: id.input, epoch: id.epoch, ends, outputs, urgent, since };
        self.note(&emission);
        self.waiting.push_back(emission);
    }

    fn note(&mut self, emission: &Emission<O>) {
        self.waiting_outputs += emission.outputs.len();
        self.waiting_urgent += usize::from(emission.urgent);
    }

    fn unnote(&mut self, emission: &Emission<O>) {
        self.waiting_outputs -= emission.outputs.len();
        self.waiting_urgent -= usize::from(emission.urgent);
    }

    pub(crate) fn in_flight(&self) -> Option<&Batch<O>> {
        self.in_flight.as_ref()
    }

    /// Outputs that wait or are in flight.
    pub(crate) fn outputs(&self) -> usize {
        self.waiting_outputs + self.in_flight_outputs
    }

    pub(crate) fn waiting_outputs(&self) -> usize {
        self.waiting_outputs
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.waiting_urgent > 0
    }

    /// Since when the oldest waiting emission waits.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.waiting.front().map(|first| first.since)
    }

    /// Moves the oldest emissions into a batch: as many as fit into `outputs_max`, at least one. Its promises are still to be made.
    pub(crate) fn close(&mut self, outputs_max: usize) -> &mut Batch<O> {
        debug_assert!(self.in_flight.is_none(), "one batch in flight");
        let (mut emissions, mut outputs) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            if !emissions.is_empty() && outputs + next.outputs.len() > outputs_max {
                break;
            }
            outputs += next.outputs.len();
            if let Some(next) = self.waiting.pop_front() {
                self.unnote(&next);
                emissions.push(next);
            }
        }
        let mut acts_for: Vec<InputPartition> = emissions.iter().map(|emission| emission.input).collect();
        acts_for.sort_unstable();
        acts_for.dedup();
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        self.in_flight_outputs = outputs;
        self.in_flight.insert(Batch { id, emissions, acts_for, promises: Vec::new() })
    }

    /// Ends the batch in flight, if it is this one.
    pub(crate) fn take(&mut self, id: BatchId) -> Option<Batch<O>> {
        let batch = self.in_flight.take_if(|batch| batch.id == id)?;
        self.in_flight_outputs = 0;
        Some(batch)
    }

    /// Puts a batch's emissions back to the front, in their order, but for those that `keep` refuses.
    pub(crate) fn put_back(&mut self, batch: Batch<O>, mut keep: impl FnMut(&Emission<O>) -> bool) {
        for emission in batch.emissions.into_iter().rev() {
            if keep(&emission) {
                self.note(&emission);
                self.waiting.push_front(emission);
            }
        }
    }

    /// Discards what waits for a input; says how many emissions that was.
    pub(crate) fn discard(&mut self, input: InputPartition) -> usize {
        let before = self.waiting.len();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for emission in std::mem::take(&mut self.waiting) {
            if emission.input == input {
                self.unnote(&emission);
            } else {
                kept.push_back(emission);
            }
        }
        self.waiting = kept;
        before - self.waiting.len()
    }
}
