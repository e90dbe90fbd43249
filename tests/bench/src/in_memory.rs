//! The engine with a stage and alerts in memory: the same records in the same order in every run, without a broker and a clock.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use contracts::{Topic, encode, partition_for};
use kafka_io::{Headers, InRecord, KafkaConfig, KafkaStage};
use pipeline::{Action, Counts, Delivery, Engine, Event, InputPartition, Now, Options, Start, Stop};
use testkit::OwnSchemas;

use crate::bridge::{ALL_WINDOWS, Counted};
use crate::driver::StopSignal;
use crate::error::Error;
use crate::input::{FIRST_MICROS, Input};
use crate::no_op::Noop;

/// Records between two calls of `settle`, which is the size of the driver's buffer.
const FETCHED: usize = 1_000;

/// The time between two calls of `settle`: 100,000 records a second, so that a batch of the bridge closes by its age.
const FETCH_INTERVAL: Duration = Duration::from_millis(10);

/// The wall clock at the start: after all alerts.
const STARTED_MICROS: i64 = FIRST_MICROS + 30 * 24 * 3_600 * 1_000_000;

/// The measured stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InMemoryStage {
    /// Forwards the bytes.
    NoOp,
    /// The bridge.
    Bridge,
}

impl InMemoryStage {
    /// All stages.
    pub(crate) const ALL: [Self; 2] = [Self::NoOp, Self::Bridge];

    /// Returns the name in arguments and in the file of committed numbers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Bridge => "bridge",
        }
    }
}

/// An encoded alert.
struct Encoded {
    partition: i32,
    offset: i64,
    key: Vec<u8>,
    payload: Vec<u8>,
}

/// Counts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Processed {
    counts: Counts,
    outputs: usize,
}

/// Processes the first `records` alerts of the realistic input, and prints how many passed and how many outputs they have.
pub(crate) fn run(stage: InMemoryStage, records: u64) -> Result<(), Error> {
    let Processed { counts, outputs } = process(stage, records)?;
    let line = serde_json::json!({
        "name": stage.name(),
        "records": counts.received,
        "passed": counts.emitted,
        "outputs": outputs,
    });
    println!("{line}");
    Ok(())
}

fn process(stage: InMemoryStage, records: u64) -> Result<Processed, Error> {
    let (alerts, stop) = (encoded(records)?, Arc::new(StopSignal::default()));
    match stage {
        InMemoryStage::NoOp => deliver(Noop::new(records, &stop), &alerts),
        InMemoryStage::Bridge => deliver(Counted::new(records, ALL_WINDOWS, &stop)?, &alerts),
    }
}

/// Encodes alerts, grouped by partition within each fetch, as the driver passes them to the engine.
fn encoded(records: u64) -> Result<Vec<Encoded>, Error> {
    let partitions = KafkaConfig::default().partitions;
    let schema_id = OwnSchemas::ids()[&Topic::AlertRaised];
    let mut next_offsets = vec![0; usize::try_from(partitions)?];
    let mut alerts = Vec::new();
    for number in 0..records {
        let alert = Input::Realistic.alert(number);
        let partition = partition_for(alert.symbol.as_bytes(), partitions);
        let next = &mut next_offsets[usize::try_from(partition)?];
        let mut payload = Vec::new();
        encode(&alert, schema_id, &mut payload)?;
        alerts.push(Encoded { partition, offset: *next, key: alert.symbol.into_bytes(), payload });
        *next += 1;
    }
    alerts.chunks_mut(FETCHED).for_each(|fetched| fetched.sort_by_key(|alert| alert.partition));
    Ok(alerts)
}

/// Passes the alerts to the engine and drains it. Callgrind counts this function by its name.
///
/// # Errors
/// The engine requests anything but commits, or stops early.
#[inline(never)]
fn deliver<S: KafkaStage<Completion = ()>>(stage: S, alerts: &[Encoded]) -> Result<Processed, Error> {
    let mut run = Run::new(stage);
    for fetched in alerts.chunks(FETCHED) {
        for of_partition in fetched.chunk_by(|a, b| a.partition == b.partition) {
            run.receive(of_partition);
        }
        if let Some(stop) = run.settle()? {
            return Err(format!("the engine stopped before the end: {stop:?}").into());
        }
    }
    run.engine.apply(Event::ShutdownRequested, run.now);
    loop {
        match run.settle()? {
            None => run.engine.apply(Event::Tick, run.now),
            Some(Stop::Drained) => break,
            Some(stop) => return Err(format!("the engine stopped as {stop:?}").into()),
        }
    }
    Ok(Processed { counts: run.engine.counts(), outputs: run.outputs })
}

struct Run<S: KafkaStage> {
    engine: Engine<S>,
    now: Now,
    outputs: usize,
}

impl<S: KafkaStage<Completion = ()>> Run<S> {
    /// Creates an engine that has all partitions.
    fn new(stage: S) -> Self {
        let mut engine = Engine::new(stage, Options::new(Delivery::Transactional));
        let now = Now { monotonic: Duration::ZERO, wall_micros: STARTED_MICROS };
        let start = |partition| {
            let input = InputPartition { topic: 0, partition };
            Start { input, position: 0, completed: Default::default() }
        };
        let starts: Vec<Start> = (0..KafkaConfig::default().partitions).map(start).collect();
        engine.apply(Event::Assigned(&starts), now);
        Self { engine, now, outputs: 0 }
    }

    fn receive(&mut self, alerts: &[Encoded]) {
        let Some(first) = alerts.first() else { return };
        let input = InputPartition { topic: 0, partition: first.partition };
        let epoch = self.engine.epoch(input);
        let mut records = alerts.iter().map(|alert| {
            let record = InRecord {
                topic: Topic::AlertRaised,
                partition: alert.partition,
                offset: alert.offset,
                timestamp_ms: FIRST_MICROS / 1_000,
                key: Some(&alert.key),
                payload: Some(&alert.payload),
                epoch,
                traceparent: None,
                headers: Headers::listed(&[]),
            };
            (alert.offset, record)
        });
        self.engine.apply(Event::Records(input, &mut records), self.now);
    }

    /// Performs the actions that the engine requests, and advances the time. Batches and commits succeed at once.
    fn settle(&mut self) -> Result<Option<Stop>, Error> {
        loop {
            self.engine.settle(self.now);
            let Some(action) = self.engine.take_action() else { break };
            match action {
                Action::Transact { batch, .. } => {
                    self.outputs += self.engine.batch(batch).count();
                    self.engine.apply(Event::Committed(batch), self.now);
                }
                Action::Commit { .. } => self.engine.apply(Event::OffsetsCommitted, self.now),
                Action::Stop(stop) => return Ok(Some(stop)),
                other => return Err(format!("unexpected action {other:?}").into()),
            }
        }
        self.now.monotonic += FETCH_INTERVAL;
        self.now.wall_micros += i64::try_from(FETCH_INTERVAL.as_micros())?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
