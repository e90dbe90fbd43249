//! Requests whose events exceed the maximum size of a record still end, and ended attempts expire. All other tests are in
//! `tests/executor`.

use std::sync::Mutex;

use contracts::codec::PAYLOAD_BYTES_MAX;
use contracts::{BackfillErrorClass, BackfillTrigger, DataKind, Event, RangeFailure, RangeRequest, ids};
use domain::{DataType, Interval, IntervalSet, Symbol, Timeframe};
use kafka_io::{KafkaStage, TableScope};
use pipeline::Effect;
use testkit::StageBench;
use testkit::stage_bench::{DeadLetter, START_MICROS, now_after, wire};

use super::*;
use crate::config::ExecutorSection;
use crate::rules::series::Series;
use crate::sources::SyntheticMarket;
use crate::worker::fetch_chunk;

const DAY_MICROS: i64 = 86_400_000_000;

type Bench = StageBench<ExecutorStage>;

#[derive(Clone, Default)]
struct RecordingWorkers(Arc<Mutex<Vec<Job>>>);

impl Workers for RecordingWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.lock().unwrap().push(job);
        Ok(())
    }
}

fn now(seconds: u64) -> Now {
    now_after(Duration::from_secs(seconds))
}

/// A stage that holds a request for day bars of AAPL at offset 7, the id of that request, and the workers of the stage.
fn bench() -> (Bench, RecordId, RecordingWorkers) {
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let (workers, source) = (RecordingWorkers::default(), Arc::new(SyntheticMarket::new(7)));
    let settings = ExecutorSection::default().settings();
    let stage = ExecutorStage::new(wire.clone(), source, settings, Box::new(workers.clone()), 7);
    let mut bench = StageBench::new(wire, &[INPUT], stage);
    let request = RangeRequest {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: None,
        backfill_id: ids::event_id(),
        attempt: 1,
        symbol: "AAPL".into(),
        layer: 0,
        data_types: vec![DataKind::MarketData],
        start: START_MICROS - 9 * DAY_MICROS,
        end: START_MICROS - 5 * DAY_MICROS,
        priority: 5,
        trigger: BackfillTrigger::Manual,
        refetch: false,
        cancel: false,
    };
    bench.set_next_offset(7);
    let verdict = bench.process(&request, now(0));
    assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    let id = *bench.held().first().unwrap();
    (bench, id, workers)
}

/// This number of intervals of one microsecond, with gaps, in 1970.
fn spans(count: i64) -> IntervalSet {
    let span = |number: i64| {
        let start = Timestamp::from_micros(number * 2);
        Interval::from_inclusive(start, start).unwrap()
    };
    (0..count).map(span).collect()
}

/// Ends the request without its fetches.
fn end(bench: &mut Bench, id: RecordId) -> Vec<Effect<OutRecord>> {
    let mut effects = Effects::default();
    bench.stage.end(id, now(1), &mut effects);
    effects.take()
}

/// Returns the failure of the request, which is its only effect.
fn failure(bench: &Bench, id: RecordId, effects: &[Effect<OutRecord>]) -> RangeFailure {
    let [Effect::Emit { ids, outputs, .. }] = effects else { panic!("{} effects", effects.len()) };
    let [output] = &outputs[..] else { panic!("{} outputs", outputs.len()) };
    assert_eq!((&ids[..], output.topic), (&[id][..], RangeFailure::TOPIC));
    bench.decode(output)
}

#[test]
fn oversized_completion_becomes_a_failure() {
    let (mut bench, id, _) = bench();
    let request = bench.stage.requests.get_mut(&id).unwrap();
    request.tally.skipped.insert((DataType::MarketData, Some(Timeframe::Day1)), spans(100_000));
    let effects = end(&mut bench, id);
    let failure = failure(&bench, id, &effects);
    assert_eq!((failure.error_class, failure.retryable), (BackfillErrorClass::Invalid, false));
    assert!(failure.error.contains("at most 1000000 are allowed"), "{}", failure.error);
}

#[test]
fn oversized_failure_is_a_dead_letter_with_its_offset() {
    let (mut bench, id, _) = bench();
    let request = bench.stage.requests.get_mut(&id).unwrap();
    request.event.correlation_id = Some("c".repeat(PAYLOAD_BYTES_MAX));
    let effects = end(&mut bench, id);
    let [Effect::Reject { id: rejected, dead_letter }] = &effects[..] else {
        panic!("{} effects", effects.len())
    };
    assert_eq!((*rejected, DeadLetter::of(dead_letter).offset), (id, 7));
    assert!(bench.stage.requests.is_empty());
}

#[test]
fn executor_holds_no_attempt_after_an_idle_hour() {
    let (mut bench, id, workers) = bench();
    let partition = bench.wire.partition_of("AAPL");
    bench.stage.table_position(TableScope::CoPartitioned, Topic::CoverageChanged, partition, 0);
    bench.tick(now(1));
    bench.tick(now(3));
    let jobs = std::mem::take(&mut *workers.0.lock().unwrap());
    for job in jobs {
        bench.complete(fetch_chunk(&SyntheticMarket::new(7), &job), now(3));
    }
    assert_eq!(
        (bench.resolved(), bench.stage.attempts.held()),
        (&[id][..], 2),
        "the attempt and its success"
    );
    // The window of an hour, and the slack of 5 minutes.
    bench.run_idle(Duration::from_secs(3), Duration::from_secs(3_600 + 300 + 60));
    assert_eq!(bench.stage.attempts.held(), 0);
}

#[test]
fn oversized_chunk_is_not_covered() {
    let (mut bench, id, workers) = bench();
    let symbol = Symbol::parse("AAPL").unwrap();
    let series = Series { symbol, data_type: DataType::MarketData, timeframe: Some(Timeframe::Day1) };
    let partition = bench.wire.partition_of("AAPL");
    bench.stage.table.coverage.restore(partition, series, spans(200_000));
    bench.stage.table_position(TableScope::CoPartitioned, Topic::CoverageChanged, partition, 0);
    bench.tick(now(60));
    bench.tick(now(120));
    let jobs = std::mem::take(&mut *workers.0.lock().unwrap());
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let result = fetch_chunk(&SyntheticMarket::new(7), job);
    bench.complete(result, now(121));
    let effects = bench.effects();
    let failure = failure(&bench, id, &effects);
    assert_eq!(failure.error_class, BackfillErrorClass::Refused);
    assert!(failure.error.contains("at most 1000000 are allowed"), "{}", failure.error);
    let missing = bench.stage.table.coverage.missing(partition, &series, job.range);
    assert_eq!(missing, [job.range]);
}
