//! Outbox: emissions are queued in the order of their creation, leave as one batch at a time, and are kept until acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::{BatchId, Epoch, InputPartition, Now, RecordId};

/// The records that an emission resolves.
#[derive(Debug)]
pub(crate) enum Ends {
    /// None: it acts for a record that stays held.
    Nothing,
    /// One record that was processed and emitted at once.
    Emitted(i64),
    /// Held records, merged into one emission.
    Merged(Vec<RecordId>),
    /// One record, by its dead letter.
    Rejected(i64),
}

/// Outputs that leave together, on behalf of one partition in one assignment.
#[derive(Debug)]
pub(crate) struct Emission<O> {
    pub(crate) sequence: u64,
    pub(crate) input: InputPartition,
    pub(crate) epoch: Epoch,
    pub(crate) ends: Ends,
    pub(crate) outputs: Vec<O>,
    pub(crate) urgent: bool,
    /// Monotonic time of its creation.
    pub(crate) queued_at: Duration,
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
    /// The partitions that it acts for, sorted.
    pub(crate) acts_for: Vec<InputPartition>,
    /// The positions that its transaction commits; empty in at-least-once mode.
    pub(crate) intents: Vec<CommitIntent>,
}

/// A position whose commit was requested, with the assignment that requested it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitIntent {
    pub(crate) input: InputPartition,
    pub(crate) epoch: Epoch,
    pub(crate) offset: i64,
}

impl<O> Batch<O> {
    pub(crate) fn concerns(&self, input: InputPartition) -> bool {
        self.acts_for.binary_search(&input).is_ok() || self.intents.iter().any(|intent| intent.input == input)
    }

    /// Returns the sequence number after its last emission.
    pub(crate) fn end(&self) -> u64 {
        self.emissions.last().map_or(0, |last| last.sequence + 1)
    }
}

/// The queued emissions and the batch in flight.
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

    /// Returns the sequence number of the next emission.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Queues outputs on behalf of a record, under [`Outbox::next_sequence`].
    pub(crate) fn push(&mut self, id: RecordId, ends: Ends, outputs: Vec<O>, urgent: bool, now: Now) {
        let (sequence, queued_at) = (self.next_sequence, now.monotonic);
        self.next_sequence += 1;
        let emission =
            Emission { sequence, input: id.input, epoch: id.epoch, ends, outputs, urgent, queued_at };
        self.count(&emission);
        self.waiting.push_back(emission);
    }

    fn count(&mut self, emission: &Emission<O>) {
        self.waiting_outputs += emission.outputs.len();
        self.waiting_urgent += usize::from(emission.urgent);
    }

    fn uncount(&mut self, emission: &Emission<O>) {
        self.waiting_outputs -= emission.outputs.len();
        self.waiting_urgent -= usize::from(emission.urgent);
    }

    pub(crate) fn in_flight(&self) -> Option<&Batch<O>> {
        self.in_flight.as_ref()
    }

    /// Returns the number of outputs that are queued or in flight.
    pub(crate) fn outputs(&self) -> usize {
        self.waiting_outputs + self.in_flight_outputs
    }

    pub(crate) fn waiting_outputs(&self) -> usize {
        self.waiting_outputs
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.waiting_urgent > 0
    }

    /// Returns the creation time of the oldest queued emission.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.waiting.front().map(|first| first.queued_at)
    }

    /// Moves the oldest emissions into a batch: as many as fit into `outputs_max`, at least one. The caller adds the commit
    /// intents.
    pub(crate) fn close(&mut self, outputs_max: usize) -> &mut Batch<O> {
        debug_assert!(self.in_flight.is_none(), "one batch in flight");
        let (mut emissions, mut outputs) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            if !emissions.is_empty() && outputs + next.outputs.len() > outputs_max {
                break;
            }
            outputs += next.outputs.len();
            if let Some(next) = self.waiting.pop_front() {
                self.uncount(&next);
                emissions.push(next);
            }
        }
        let mut acts_for: Vec<InputPartition> = emissions.iter().map(|emission| emission.input).collect();
        acts_for.sort_unstable();
        acts_for.dedup();
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        self.in_flight_outputs = outputs;
        self.in_flight.insert(Batch { id, emissions, acts_for, intents: Vec::new() })
    }

    /// Removes the batch in flight, if it has this id.
    pub(crate) fn take(&mut self, id: BatchId) -> Option<Batch<O>> {
        let batch = self.in_flight.take_if(|batch| batch.id == id)?;
        self.in_flight_outputs = 0;
        Some(batch)
    }

    /// Queues the emissions of a batch again at the front, in their order, if `keep` returns `true`.
    pub(crate) fn put_back(&mut self, batch: Batch<O>, mut keep: impl FnMut(&Emission<O>) -> bool) {
        for emission in batch.emissions.into_iter().rev() {
            if keep(&emission) {
                self.count(&emission);
                self.waiting.push_front(emission);
            }
        }
    }

    /// Discards the queued emissions of a partition and returns their number.
    pub(crate) fn discard(&mut self, input: InputPartition) -> usize {
        let before = self.waiting.len();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for emission in std::mem::take(&mut self.waiting) {
            if emission.input == input {
                self.uncount(&emission);
            } else {
                kept.push_back(emission);
            }
        }
        self.waiting = kept;
        before - self.waiting.len()
    }
}
