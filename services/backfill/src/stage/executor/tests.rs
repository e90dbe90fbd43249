//! Requests whose events exceed the maximum size of a record: they still end. All other tests are in `tests/executor`.

use std::sync::Mutex;

use contracts::codec::PAYLOAD_BYTES_MAX;
use contracts::{BackfillErrorClass, BackfillTrigger, DataKind, Event, RangeFailure, RangeRequest, ids};
use domain::{DataType, Interval, IntervalSet, Symbol, Timeframe};
use kafka_io::{Headers, KafkaStage, TableScope};
use pipeline::Effect;
use testkit::OwnSchemas;

use super::*;
use crate::config::ExecutorSection;
use crate::rules::series::Series;
use crate::sources::SyntheticMarket;
use crate::worker::fetch_chunk;

/// 2024-07-10T20:00:00Z.
const WALL_MICROS: i64 = 1_720_641_600_000_000;

const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Clone, Default)]
struct RecordingWorkers(Arc<Mutex<Vec<Job>>>);

impl Workers for RecordingWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.lock().unwrap().push(job);
        Ok(())
    }
}

struct Bench {
    stage: ExecutorStage,
    jobs: RecordingWorkers,
    wire: Wire,
    id: RecordId,
    effects: Effects<OutRecord>,
}

fn now(seconds: u64) -> Now {
    Now { monotonic: Duration::from_secs(seconds), wall_micros: WALL_MICROS }
}

/// A stage with a held request for day bars of AAPL.
fn bench() -> Bench {
    let wire = Wire::new("backfill", Topic::BackfillDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
    let (jobs, source) = (RecordingWorkers::default(), Arc::new(SyntheticMarket::new(7)));
    let settings = ExecutorSection::default().settings();
    let mut stage = ExecutorStage::new(wire.clone(), source, settings, Box::new(jobs.clone()), 7);
    let request = RangeRequest {
        event_id: ids::event_id(),
        occurred_at: WALL_MICROS,
        source: "test".into(),
        correlation_id: None,
        backfill_id: ids::event_id(),
        attempt: 1,
        symbol: "AAPL".into(),
        layer: 0,
        data_types: vec![DataKind::MarketData],
        start: WALL_MICROS - 9 * DAY_MICROS,
        end: WALL_MICROS - 5 * DAY_MICROS,
        priority: 5,
        trigger: BackfillTrigger::Manual,
    };
    let record = wire.write(&request, None).unwrap();
    let id = RecordId {
        input: InputPartition { topic: 0, partition: record.partition },
        epoch: Epoch(1),
        offset: 7,
    };
    let mut effects = Effects::default();
    let verdict = stage.process(id, record_of(&record), now(0), &mut effects);
    assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    Bench { stage, jobs, wire, id, effects }
}

fn record_of(record: &OutRecord) -> InRecord<'_> {
    InRecord {
        topic: record.topic,
        partition: record.partition,
        offset: 7,
        timestamp_ms: 0,
        key: Some(&record.key),
        payload: Some(&record.payload),
        epoch: None,
        traceparent: None,
        headers: Headers::none(),
    }
}

/// This number of intervals of one microsecond, with gaps, in 1970.
fn spans(count: i64) -> IntervalSet {
    let span = |number: i64| {
        let start = Timestamp::from_micros(number * 2);
        Interval::from_inclusive(start, start).unwrap()
    };
    (0..count).map(span).collect()
}

impl Bench {
    fn failure(&mut self) -> RangeFailure {
        let effects = self.effects.take();
        let [Effect::Emit { ids, outputs, .. }] = &effects[..] else { panic!("{} effects", effects.len()) };
        assert_eq!(
            (ids.as_slice(), outputs.len(), outputs[0].topic),
            (&[self.id][..], 1, RangeFailure::TOPIC)
        );
        contracts::Codec::new().decode(outputs[0].payload.as_slice(), &OwnSchemas).unwrap()
    }
}

#[test]
fn oversized_completion_becomes_a_failure() {
    let mut bench = bench();
    let request = bench.stage.requests.get_mut(&bench.id).unwrap();
    request.tally.skipped.insert((DataType::MarketData, Some(Timeframe::Day1)), spans(100_000));
    bench.stage.end(bench.id, now(1), &mut bench.effects);
    let failure = bench.failure();
    assert_eq!((failure.error_class, failure.retryable), (BackfillErrorClass::Invalid, false));
    assert!(failure.error.contains("at most 1000000 are allowed"), "{}", failure.error);
}

#[test]
fn oversized_failure_is_a_dead_letter_with_its_offset() {
    let mut bench = bench();
    let request = bench.stage.requests.get_mut(&bench.id).unwrap();
    request.event.correlation_id = Some("c".repeat(PAYLOAD_BYTES_MAX));
    bench.stage.end(bench.id, now(1), &mut bench.effects);
    let effects = bench.effects.take();
    let [Effect::Reject { id, dead_letter }] = &effects[..] else { panic!("{} effects", effects.len()) };
    assert_eq!(*id, bench.id);
    let offset = dead_letter.headers.iter().find(|(name, _)| name == "tapeline.offset").unwrap();
    assert_eq!(offset.1, b"7");
    assert!(bench.stage.requests.is_empty());
}

#[test]
fn oversized_chunk_is_not_covered() {
    let mut bench = bench();
    let symbol = Symbol::parse("AAPL").unwrap();
    let series = Series { symbol, data_type: DataType::MarketData, timeframe: Some(Timeframe::Day1) };
    let partition = bench.wire.partition_of("AAPL");
    bench.stage.table.coverage.restore(partition, series, spans(200_000));
    bench.stage.table_position(TableScope::CoPartitioned, Topic::CoverageChanged, partition, 0);
    bench.stage.tick(now(60), &mut bench.effects);
    bench.stage.tick(now(120), &mut bench.effects);
    let jobs = std::mem::take(&mut *bench.jobs.0.lock().unwrap());
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let result = fetch_chunk(&SyntheticMarket::new(7), job);
    bench.stage.completed(result, now(121), &mut bench.effects);
    let failure = bench.failure();
    assert_eq!(failure.error_class, BackfillErrorClass::Refused);
    assert!(failure.error.contains("at most 1000000 are allowed"), "{}", failure.error);
    let missing = bench.stage.table.coverage.missing(partition, &series, job.range);
    assert_eq!(missing, [job.range]);
}
