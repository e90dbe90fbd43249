//! Outbox: emissions are queued in the order of their creation, leave as one batch at a time, and are kept until acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::{BatchId, Epoch, InputPartition, Now, RecordId};

/// The records that an emission resolves.
#[derive(Debug)]
pub(crate) enum Ends {
    /// None: it acts for a record that stays held.
    Nothing,
    /// None: no record caused it.
    Originated,
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
    /// Memory of the outputs.
    bytes: usize,
    pub(crate) urgent: bool,
    /// Monotonic time of its creation.
    pub(crate) queued_at: Duration,
}

impl<O> Emission<O> {
    pub(crate) fn records(&self) -> usize {
        match &self.ends {
            Ends::Nothing | Ends::Originated => 0,
            Ends::Emitted(_) | Ends::Rejected(_) => 1,
            Ends::Merged(ids) => ids.len(),
        }
    }

    pub(crate) fn is_originated(&self) -> bool {
        matches!(self.ends, Ends::Originated)
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

/// A number of outputs and their memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OutboxLoad {
    pub(crate) outputs: usize,
    pub(crate) bytes: usize,
}

impl OutboxLoad {
    fn plus(self, emission: &Emission<impl Sized>) -> Self {
        Self { outputs: self.outputs + emission.outputs.len(), bytes: self.bytes + emission.bytes }
    }

    fn minus(self, emission: &Emission<impl Sized>) -> Self {
        Self { outputs: self.outputs - emission.outputs.len(), bytes: self.bytes - emission.bytes }
    }

    pub(crate) fn exceeds(self, max: Self) -> bool {
        self.outputs > max.outputs || self.bytes > max.bytes
    }

    pub(crate) fn reaches(self, max: Self) -> bool {
        self.outputs >= max.outputs || self.bytes >= max.bytes
    }
}

/// The queued emissions and the batch in flight.
#[derive(Debug)]
pub(crate) struct Outbox<O> {
    waiting: VecDeque<Emission<O>>,
    waiting_load: OutboxLoad,
    waiting_urgent: usize,
    in_flight: Option<Batch<O>>,
    in_flight_load: OutboxLoad,
    /// Returns the memory of an output.
    bytes_of: fn(&O) -> usize,
    next_sequence: u64,
    next_batch: u64,
}

impl<O> Outbox<O> {
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_load: OutboxLoad::default(),
            waiting_urgent: 0,
            in_flight: None,
            in_flight_load: OutboxLoad::default(),
            bytes_of: |_| 0,
            next_sequence: 0,
            next_batch: 0,
        }
    }

    /// Measures the memory of outputs with this function. Without it, only their number counts.
    pub(crate) fn measure(&mut self, bytes_of: fn(&O) -> usize) {
        self.bytes_of = bytes_of;
    }

    /// Returns the sequence number of the next emission.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Queues outputs of an assignment, under [`Outbox::next_sequence`].
    pub(crate) fn push(
        &mut self,
        (input, epoch): (InputPartition, Epoch),
        ends: Ends,
        outputs: Vec<O>,
        urgent: bool,
        now: Now,
    ) {
        let (sequence, queued_at) = (self.next_sequence, now.monotonic);
        self.next_sequence += 1;
        let bytes = outputs.iter().map(self.bytes_of).sum();
        let emission = Emission { sequence, input, epoch, ends, outputs, bytes, urgent, queued_at };
        self.count(&emission);
        self.waiting.push_back(emission);
    }

    fn count(&mut self, emission: &Emission<O>) {
        self.waiting_load = self.waiting_load.plus(emission);
        self.waiting_urgent += usize::from(emission.urgent);
    }

    fn uncount(&mut self, emission: &Emission<O>) {
        self.waiting_load = self.waiting_load.minus(emission);
        self.waiting_urgent -= usize::from(emission.urgent);
    }

    pub(crate) fn in_flight(&self) -> Option<&Batch<O>> {
        self.in_flight.as_ref()
    }

    /// Returns the outputs that are queued or in flight.
    pub(crate) fn load(&self) -> OutboxLoad {
        let (waiting, in_flight) = (self.waiting_load, self.in_flight_load);
        OutboxLoad { outputs: waiting.outputs + in_flight.outputs, bytes: waiting.bytes + in_flight.bytes }
    }

    pub(crate) fn waiting_load(&self) -> OutboxLoad {
        self.waiting_load
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.waiting_urgent > 0
    }

    /// Returns the creation time of the oldest queued emission.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.waiting.front().map(|first| first.queued_at)
    }

    /// Moves the oldest emissions into a batch: as many as fit into `max`, at least one. The caller adds the commit
    /// intents.
    pub(crate) fn close(&mut self, max: OutboxLoad) -> &mut Batch<O> {
        debug_assert!(self.in_flight.is_none(), "one batch in flight");
        let (mut emissions, mut load) = (Vec::new(), OutboxLoad::default());
        while let Some(next) = self.waiting.front() {
            let with_next = load.plus(next);
            if !emissions.is_empty() && with_next.exceeds(max) {
                break;
            }
            load = with_next;
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
        self.in_flight_load = load;
        self.in_flight.insert(Batch { id, emissions, acts_for, intents: Vec::new() })
    }

    /// Removes the batch in flight, if it has this id.
    pub(crate) fn take(&mut self, id: BatchId) -> Option<Batch<O>> {
        let batch = self.in_flight.take_if(|batch| batch.id == id)?;
        self.in_flight_load = OutboxLoad::default();
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

    /// Returns the emissions that are queued or in flight.
    pub(crate) fn emissions(&self) -> impl Iterator<Item = &Emission<O>> {
        self.in_flight.iter().flat_map(|batch| &batch.emissions).chain(&self.waiting)
    }

    /// Discards the queued emissions of a partition, each after a call of `discarded`.
    pub(crate) fn discard(&mut self, input: InputPartition, mut discarded: impl FnMut(&Emission<O>)) {
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for emission in std::mem::take(&mut self.waiting) {
            if emission.input == input {
                self.uncount(&emission);
                discarded(&emission);
            } else {
                kept.push_back(emission);
            }
        }
        self.waiting = kept;
    }
}
