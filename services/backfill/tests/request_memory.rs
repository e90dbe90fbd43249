//! Memory of held requests. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::time::Duration;

use backfill::config::ExecutorSection;
use backfill::sources::SyntheticMarket;
use backfill::stage::executor::{ExecutorStage, INPUT, Workers};
use backfill::worker::Job;
use chassis::memory::used_bytes;
use contracts::bounds::ID_BYTES_MAX;
use contracts::{BackfillTrigger, DataKind, RangeRequest, Topic, ids};
use hosting::of_stage;
use kafka_io::KafkaConfig;
use pipeline::{Stage, Verdict};
use testkit::StageBench;
use testkit::stage_bench::{START_MICROS, now_after, wire};

const DAY_MICROS: i64 = 86_400_000_000;

/// Workers that never finish.
struct Idle;

impl Workers for Idle {
    fn start(&self, _: Job) -> Result<(), Job> {
        Ok(())
    }
}

/// A request with texts of the maximum length, whose range overlaps no other.
fn request(number: i64) -> RangeRequest {
    let text = |kind: char| format!("{kind}{number:0width$}", width = ID_BYTES_MAX - 1);
    let character = |unit: i64| char::from(b'A' + u8::try_from(number / unit % 26).unwrap());
    RangeRequest {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: text('s'),
        correlation_id: Some(text('c')),
        backfill_id: ids::event_id(),
        symbol: [17_576, 676, 26, 1].map(character).iter().collect(),
        layer: 1,
        data_types: DataKind::ALL.iter().copied().filter(|kind| kind.known().is_some()).collect(),
        start: START_MICROS - 30 * DAY_MICROS,
        end: START_MICROS - DAY_MICROS,
        priority: 5,
        trigger: BackfillTrigger::Manual,
        attempt: 1,
        refetch: false,
        cancel: false,
    }
}

#[test]
fn held_requests_use_at_most_the_memory_that_is_summed() {
    let section = ExecutorSection::default();
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let source = Arc::new(SyntheticMarket::new(1));
    let stage = ExecutorStage::new(wire.clone(), source, section.settings(), Box::new(Idle), 7);
    let mut bench = StageBench::new(wire, &[INPUT], stage);
    bench.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let (inputs, now) = (bench.inputs(), now_after(Duration::ZERO));
    bench.assign(&inputs, now);
    let before = used_bytes().unwrap();
    let mut held = 0;
    while !bench.stage.is_full(0) {
        let verdict = bench.process(&request(held), now);
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
        held += 1;
    }
    bench.tick(now);
    let used = used_bytes().unwrap().saturating_sub(before);
    let parts = of_stage("backfill-executor", &KafkaConfig::default(), 1, 2);
    let part = parts.iter().find(|part| part.name == "backfill-executor: held records").unwrap();
    println!("{held} requests: {} KiB of {part}, {} bytes each", used >> 10, used / held.unsigned_abs());
    assert!((part.bytes / 3..=part.bytes).contains(&used), "{used} bytes of {}", part.bytes);
}
