//! Memory of ledgers at their bound. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;
use std::time::Duration;

use chassis::memory::used_bytes;
use hosting::of_stage;
use kafka_io::KafkaConfig;
use pipeline::{
    Action, CompletedRanges, Delivery, Effects, Engine, Event, InputPartition, Now, Options, RecordId, Stage,
    Start, Verdict,
};

/// Records of a poll.
const POLLED: i64 = 1_000;

/// Records of a partition: twice the bound.
const RECORDS: i64 = 150_000;

/// Holds the first record of each partition, which keeps the prefix back, and emits the others.
struct HoldsFirst;

impl Stage for HoldsFirst {
    type Record<'a> = ();
    type Output = ();
    type Completion = ();

    fn process(&mut self, id: RecordId, (): (), _: Now, _: &mut Effects<()>) -> Verdict<()> {
        if id.offset == 0 { Verdict::Hold } else { Verdict::Emit(vec![()]) }
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<()>) {}
}

/// Performs the actions of the engine. Adds the paused partitions to `paused`.
fn perform(engine: &mut Engine<HoldsFirst>, paused: &mut BTreeSet<InputPartition>, now: Now) {
    loop {
        engine.settle(now);
        let mut is_idle = true;
        while let Some(action) = engine.take_action() {
            match action {
                Action::Pause(input) => {
                    paused.insert(input);
                }
                Action::Transact { batch, .. } => {
                    is_idle = false;
                    engine.apply(Event::Committed(batch), now);
                }
                other => panic!("unexpected action {other:?}"),
            }
        }
        if is_idle {
            return;
        }
    }
}

#[test]
fn ledgers_use_at_most_the_memory_that_is_summed() {
    let kafka = KafkaConfig::default();
    let now = Now { monotonic: Duration::ZERO, wall_micros: 0 };
    let inputs: Vec<InputPartition> =
        (0..kafka.partitions).map(|partition| InputPartition { topic: 0, partition }).collect();
    let mut engine = Engine::new(HoldsFirst, Options::new(Delivery::Transactional));
    let start =
        |input: &InputPartition| Start { input: *input, position: 0, completed: CompletedRanges::none() };
    let starts: Vec<Start> = inputs.iter().map(start).collect();
    engine.apply(Event::Assigned(&starts), now);
    let mut paused = BTreeSet::new();
    let before = used_bytes().unwrap();
    for first in (0..RECORDS).step_by(usize::try_from(POLLED).unwrap()) {
        for input in &inputs {
            if paused.contains(input) {
                continue;
            }
            let mut records = (first..first + POLLED).map(|offset| (offset, ()));
            engine.apply(Event::Records(*input, &mut records), now);
            engine.apply(Event::Tick, now);
            perform(&mut engine, &mut paused, now);
        }
    }
    let used = used_bytes().unwrap().saturating_sub(before);
    assert_eq!(engine.load().held, u64::try_from(inputs.len()).unwrap(), "all others are resolved");
    let parts = of_stage("bridge", &kafka, 1, 1);
    let part = parts.iter().find(|part| part.name == "bridge: ledgers").unwrap();
    println!("{} KiB of {part}", used >> 10);
    assert!((part.bytes / 2..=part.bytes).contains(&used), "{used} bytes of {}", part.bytes);
    assert_eq!(paused.len(), inputs.len());
}
