//! Bench for the tests of one stage, without Kafka and without an engine.
//!
//! ```text
//! event ─► Wire::write ─► StoredRecord ─► Stage::process ─┬─► verdict
//!                                             tick, drain └─► effects ─► checked against the held records ─► emitted
//! ```
//!
//! The bench applies effects as the engine does: a record that an effect names must be held, and it is resolved once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Event, Topic};
use kafka_io::{KafkaStage, OutRecord, Wire, dead_letter};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, RecordId, Verdict};

use crate::schemas::OwnSchemas;
use crate::stored_record::StoredRecord;

/// The wall clock of [`now_after`] at zero: 2024-07-10T20:00:00Z, when a session in New York closes.
pub const START_MICROS: i64 = 1_720_641_600_000_000;

/// The number of partitions of every topic of [`wire`].
pub const PARTITIONS: i32 = 12;

/// Returns the time that is `elapsed` after the start, on both clocks.
///
/// # Panics
/// If the wall clock exceeds an `i64` of microseconds.
#[must_use]
pub fn now_after(elapsed: Duration) -> Now {
    let micros = i64::try_from(elapsed.as_micros()).expect("an i64 of microseconds");
    Now { monotonic: elapsed, wall_micros: START_MICROS + micros }
}

/// Returns a wire of `service` with the contract's own schemas.
#[must_use]
pub fn wire(service: &'static str, dead_letters: Topic) -> Wire {
    Wire::new(service, dead_letters, PARTITIONS, OwnSchemas::ids(), Arc::new(OwnSchemas))
}

/// A stage with its wire, its effects and the records that it holds.
pub struct StageBench<S> {
    /// The stage under test.
    pub stage: S,
    /// Writes the events that the stage processes and reads those that it emits.
    pub wire: Wire,
    /// The trace of the records that [`StageBench::process`] writes.
    pub traceparent: Option<&'static str>,
    inputs: Vec<Topic>,
    effects: Vec<Effect<OutRecord>>,
    epoch: u32,
    next_offset: i64,
    held: BTreeSet<RecordId>,
    resolved: Vec<RecordId>,
    queued_outputs: usize,
}

/// Outputs that resolve records: the fields of [`Effect::Emit`].
#[derive(Debug)]
pub struct Emitted {
    /// The records.
    pub ids: Vec<RecordId>,
    /// The outputs.
    pub outputs: Vec<OutRecord>,
    /// `true` if the open transaction is closed at once.
    pub urgent: bool,
}

/// The error headers of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The dead-letter topic.
    pub topic: Topic,
    /// The error class.
    pub class: String,
    /// The error's text.
    pub error: String,
    /// The offset of the rejected record in its topic.
    pub offset: i64,
    /// The name of the topic of the rejected record.
    pub input_topic: String,
}

// === impl StageBench ===

impl<S: KafkaStage> StageBench<S> {
    /// A bench of a stage that has no partitions. The first record has offset 1.
    #[must_use]
    pub fn new(wire: Wire, inputs: &[Topic], stage: S) -> Self {
        Self {
            stage,
            wire,
            traceparent: None,
            inputs: inputs.to_vec(),
            effects: Vec::new(),
            epoch: 1,
            next_offset: 1,
            held: BTreeSet::new(),
            resolved: Vec::new(),
            queued_outputs: 0,
        }
    }

    /// Sets the number of outputs that the stage sees as not acknowledged.
    pub fn set_queued_outputs(&mut self, outputs: usize) {
        self.queued_outputs = outputs;
    }

    /// Returns the partition of an input topic, as the engine names it.
    ///
    /// # Panics
    /// If the stage does not read the topic.
    #[must_use]
    pub fn input(&self, topic: Topic, partition: i32) -> InputPartition {
        let index =
            self.inputs.iter().position(|input| *input == topic).expect("an input topic of the stage");
        InputPartition { topic: u16::try_from(index).expect("few topics"), partition }
    }

    /// Returns all partitions of all input topics.
    #[must_use]
    pub fn inputs(&self) -> Vec<InputPartition> {
        let partitions = |topic: &Topic| {
            let topic = *topic;
            (0..PARTITIONS).map(move |partition| self.input(topic, partition))
        };
        self.inputs.iter().flat_map(partitions).collect()
    }

    /// Assigns partitions under the current epoch.
    pub fn assign(&mut self, inputs: &[InputPartition], now: Now) {
        for input in inputs {
            self.stage.assigned(*input, Epoch(self.epoch), now);
        }
    }

    /// Revokes partitions. Their records are no longer held, and the epoch is raised for the next assignment.
    pub fn unassign(&mut self, inputs: &[InputPartition]) {
        for input in inputs {
            self.stage.unassigned(*input);
            self.held.retain(|id| id.input != *input);
        }
        self.epoch += 1;
    }

    /// Sets the offset of the next record, for a record that is redelivered.
    pub fn set_next_offset(&mut self, offset: i64) {
        self.next_offset = offset;
    }

    /// Returns the offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.next_offset - 1
    }

    /// Writes an event and processes it as the next record of its partition.
    ///
    /// # Panics
    /// If the event cannot be encoded.
    pub fn process<E: Event>(&mut self, event: &E, now: Now) -> Verdict<OutRecord> {
        let record = self.wire.write(event, self.traceparent).expect("an event that can be encoded");
        self.process_record(&record, now)
    }

    /// Processes a record as the next one of its partition.
    pub fn process_record(&mut self, record: &OutRecord, now: Now) -> Verdict<OutRecord> {
        self.process_stored(StoredRecord::new(record), now)
    }

    /// Processes a stored record. It gets the next offset.
    ///
    /// # Panics
    /// If the stage holds the record already.
    pub fn process_stored(&mut self, record: StoredRecord<'_>, now: Now) -> Verdict<OutRecord> {
        let record = record.at_offset(self.next_offset);
        let input = record.as_input();
        let id = RecordId {
            input: self.input(input.topic, input.partition),
            epoch: Epoch(self.epoch),
            offset: self.next_offset,
        };
        self.next_offset += 1;
        let mut effects = Effects::default().with_queued_outputs(self.queued_outputs);
        let verdict = self.stage.process(id, input, now, &mut effects);
        if matches!(verdict, Verdict::Hold) {
            assert!(self.held.insert(id), "{id:?} is held twice");
        }
        self.apply(effects);
        verdict
    }

    /// Advances the stage's time.
    pub fn tick(&mut self, now: Now) {
        let mut effects = Effects::default().with_queued_outputs(self.queued_outputs);
        self.stage.tick(now, &mut effects);
        self.apply(effects);
    }

    /// Ticks the stage as an engine without input does: at each wake-up that the stage requests, until `idle` after `from`. Ends
    /// earlier if the stage requests no further wake-up.
    pub fn run_idle(&mut self, from: Duration, idle: Duration) {
        let mut at = from;
        while let Some(wait) = self.stage.next_wake(now_after(at)) {
            at += wait.max(Duration::from_millis(1));
            if at > from + idle {
                return;
            }
            self.tick(now_after(at));
        }
    }

    /// Drains partitions, as on each tick before their revocation.
    pub fn drain(&mut self, inputs: &[InputPartition], now: Now) {
        let mut effects = Effects::default().with_queued_outputs(self.queued_outputs);
        self.stage.drain(inputs, now, &mut effects);
        self.apply(effects);
    }

    /// Passes the result of work outside the engine to the stage.
    pub fn complete(&mut self, completion: S::Completion, now: Now) {
        let mut effects = Effects::default().with_queued_outputs(self.queued_outputs);
        self.stage.completed(completion, now, &mut effects);
        self.apply(effects);
    }

    /// Restores state from a committed output that was appended at `appended`, as at `now`.
    ///
    /// # Panics
    /// If the stage reports that it cannot read records now.
    pub fn restore(&mut self, output: &OutRecord, appended: Now, now: Now) {
        let stored = StoredRecord::new(output).appended_at(appended);
        self.stage.restore_record(&stored.as_input(), now).expect("schemas are available");
    }

    /// Takes all effects since the last call, in order.
    pub fn effects(&mut self) -> Vec<Effect<OutRecord>> {
        std::mem::take(&mut self.effects)
    }

    /// Takes all effects since the last call, which only emit.
    ///
    /// # Panics
    /// If there is another effect.
    pub fn emitted(&mut self) -> Vec<Emitted> {
        let emitted = |effect| match effect {
            Effect::Emit { ids, outputs, urgent } => Emitted { ids, outputs, urgent },
            other => panic!("not emitted: {other:?}"),
        };
        self.effects().into_iter().map(emitted).collect()
    }

    /// Ticks at `now` and takes the outputs of all effects since the last call, which only emit.
    pub fn outputs_at(&mut self, now: Now) -> Vec<OutRecord> {
        self.tick(now);
        self.emitted().into_iter().flat_map(|emitted| emitted.outputs).collect()
    }

    /// Reads an output back, which proves that it is a valid event with its own key in its own partition.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn decode<E: Event>(&self, output: &OutRecord) -> E {
        let stored = StoredRecord::new(output);
        let event = self.wire.read_table(&stored.as_input()).expect("schemas are available");
        event.unwrap_or_else(|| panic!("no valid {} in {:?}", E::TOPIC, stored.as_input()))
    }

    /// Returns the records that the stage holds.
    #[must_use]
    pub const fn held(&self) -> &BTreeSet<RecordId> {
        &self.held
    }

    /// Returns the held records that effects resolved (not those that were released), in order.
    #[must_use]
    pub fn resolved(&self) -> &[RecordId] {
        &self.resolved
    }

    /// Returns a value that the stage exports.
    ///
    /// # Panics
    /// If the stage exports no value of this name.
    #[must_use]
    pub fn note(&self, name: &str) -> u64 {
        let note = self.stage.notes().into_iter().find(|note| note.name == name);
        note.unwrap_or_else(|| panic!("no note {name}")).value
    }

    /// Returns use and limit of a bound of the stage.
    #[must_use]
    pub fn bound(&self, name: &str) -> (u64, u64) {
        let bound = self.stage.bounds().into_iter().find(|bound| bound.name == name);
        let bound = bound.unwrap_or_else(|| panic!("no bound {name}"));
        (bound.used, bound.limit)
    }

    fn apply(&mut self, mut effects: Effects<OutRecord>) {
        for effect in effects.take() {
            match &effect {
                Effect::Emit { ids, .. } => ids.iter().for_each(|id| self.resolve(*id)),
                Effect::Drop { id, .. } | Effect::Reject { id, .. } => self.resolve(*id),
                Effect::Release { ids } => ids.iter().for_each(|id| self.unhold(*id)),
                Effect::Originate { input, epoch, .. } => {
                    assert_eq!(*epoch, Epoch(self.epoch), "{input:?} was assigned again");
                }
                Effect::Append { on_behalf_of, .. } => {
                    assert!(self.held.contains(on_behalf_of), "{on_behalf_of:?} is not held");
                }
            }
            self.effects.push(effect);
        }
    }

    fn resolve(&mut self, id: RecordId) {
        self.unhold(id);
        self.resolved.push(id);
    }

    fn unhold(&mut self, id: RecordId) {
        assert!(self.held.remove(&id), "{id:?} is not held");
    }
}

// === verdicts ===

/// Returns the outputs of a verdict.
///
/// # Panics
/// If the verdict is not [`Verdict::Emit`].
#[must_use]
pub fn emitted(verdict: Verdict<OutRecord>) -> Vec<OutRecord> {
    match verdict {
        Verdict::Emit(outputs) => outputs,
        other => panic!("not emitted: {other:?}"),
    }
}

/// Returns the error headers of a verdict's dead letter.
///
/// # Panics
/// If the verdict is not [`Verdict::Reject`].
#[must_use]
pub fn rejected(verdict: Verdict<OutRecord>) -> DeadLetter {
    match verdict {
        Verdict::Reject(record) => DeadLetter::of(&record),
        other => panic!("not rejected: {other:?}"),
    }
}

/// Returns the text of a record's header.
///
/// # Panics
/// If the record has no such header, or the value is not UTF-8.
#[must_use]
pub fn header<'a>(record: &'a OutRecord, name: &str) -> &'a str {
    let found = record.headers.iter().find(|(key, _)| key == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no header {name}"));
    std::str::from_utf8(value).expect("a text")
}

impl DeadLetter {
    /// Reads the error headers of a dead letter.
    ///
    /// # Panics
    /// If one of them is missing.
    #[must_use]
    pub fn of(record: &OutRecord) -> Self {
        Self {
            topic: record.topic,
            class: header(record, dead_letter::ERROR_CLASS).to_owned(),
            error: header(record, dead_letter::ERROR).to_owned(),
            offset: header(record, dead_letter::OFFSET).parse().expect("an offset"),
            input_topic: header(record, dead_letter::TOPIC).to_owned(),
        }
    }
}
