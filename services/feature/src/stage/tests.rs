//! Tests of the stage without Kafka: each symbol of a request ends once, and its vector uses no later bars.

mod benchmarks;
mod unwritable;

use std::sync::{Arc, Mutex};

use contracts::{ClosedBar, Event, RequestErrorClass, RequestFailure, RequestedSymbol, Vector};
use domain::calendar;
use hosting::WorkerError;
use kafka_io::{Headers, KafkaStage, TableRecord, TableScope};
use testkit::OwnSchemas;

use super::*;
use crate::metric_names::REQUESTED_SYMBOLS;
use crate::worker::compute;

/// Workers that record their jobs and compute nothing.
#[derive(Clone, Default)]
struct RecordingWorkers(Arc<Mutex<Vec<Job>>>);

impl Workers for RecordingWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.lock().unwrap().push(job);
        Ok(())
    }
}

struct Bench {
    stage: FeatureStage,
    jobs: RecordingWorkers,
    wire: Wire,
    effects: Effects<OutRecord>,
    offset: i64,
}

const LIMITS: Limits = Limits {
    ordinary_max: 10,
    urgent_max: 10,
    request_ttl: Duration::from_secs(300),
    dedup_window: Duration::from_secs(60),
    history_bars: 300,
    slack_bars: 10,
    dedup_symbols_max: 100,
    workers: 2,
    worker_symbols_max: 1,
};

/// 2024-07-10T20:00:00Z, when the session closes.
const WALL_MICROS: i64 = 1_720_641_600_000_000;

fn now(seconds: u64) -> Now {
    let micros = i64::try_from(seconds * 1_000_000).unwrap();
    Now { monotonic: Duration::from_secs(seconds), wall_micros: WALL_MICROS + micros }
}

impl Bench {
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        let schemas = Arc::new(OwnSchemas);
        let wire = Wire::new("feature", Topic::FeatureDeadLetter, 12, OwnSchemas::ids(), schemas);
        let jobs = RecordingWorkers::default();
        let mut stage =
            FeatureStage::new(wire.clone(), limits, rules::COMPARED.to_vec(), Box::new(jobs.clone()));
        let partition = wire.partition_of("AAPL");
        stage.assigned(InputPartition { topic: 0, partition }, Epoch(1), now(0));
        Self { stage, jobs, wire, effects: Effects::default(), offset: 0 }
    }

    fn partition(&self) -> i32 {
        self.wire.partition_of("AAPL")
    }

    /// Adds day bars of July 2024 to the table. The bar of day `d` closes at the price `100 + d`.
    fn bars(&mut self, days: std::ops::RangeInclusive<i8>) {
        for day in days {
            let record = self.wire.write(&bar("AAPL", day), None).unwrap();
            self.stage.table_record(TableScope::CoPartitioned, &record_of(&record, 0)).unwrap();
        }
    }

    fn reach(&mut self, position: i64) {
        self.stage.table_position(TableScope::CoPartitioned, Topic::BarClosed, self.partition(), position);
        self.stage.tick(now(1), &mut self.effects);
    }

    fn request(&mut self, request: &FeatureRequest, at: Now) -> Verdict<OutRecord> {
        let record = self.wire.write(request, None).unwrap();
        self.process(&record, at)
    }

    fn process(&mut self, record: &OutRecord, at: Now) -> Verdict<OutRecord> {
        self.offset += 1;
        let input = InputPartition { topic: 0, partition: record.partition };
        let id = RecordId { input, epoch: Epoch(1), offset: self.offset };
        let verdict = self.stage.process(id, record_of(record, self.offset), at, &mut self.effects);
        self.stage.tick(at, &mut self.effects);
        verdict
    }

    fn take_jobs(&self) -> Vec<Job> {
        std::mem::take(&mut self.jobs.0.lock().unwrap())
    }

    /// Takes the outputs of all effects since the last call, which only emit.
    fn outputs(&mut self) -> Vec<OutRecord> {
        let emitted = self.effects.take().into_iter().map(|effect| match effect {
            Effect::Emit { outputs, .. } => outputs,
            other => panic!("{other:?}"),
        });
        emitted.flatten().collect()
    }

    fn read<E: Event>(&self, record: &OutRecord) -> E {
        self.wire.read_table(&record_of(record, 0)).unwrap().unwrap()
    }
}

fn panicked(message: &str) -> JobError {
    JobError::Worker(WorkerError::Panicked { message: message.to_owned() })
}

fn record_of(record: &OutRecord, offset: i64) -> InRecord<'_> {
    InRecord {
        topic: record.topic,
        partition: record.partition,
        offset,
        timestamp_ms: 0,
        key: Some(&record.key),
        payload: Some(&record.payload),
        epoch: None,
        traceparent: None,
        headers: Headers::none(),
    }
}

fn bar(symbol: &str, day: i8) -> ClosedBar {
    let close = 100.0 + f64::from(day);
    ClosedBar {
        event_id: contracts::ids::event_id(),
        occurred_at: WALL_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: symbol.into(),
        timeframe: "1day".into(),
        open_time: calendar::day_open(calendar::Date::constant(2024, 7, day)).micros(),
        open: close,
        high: close,
        low: close,
        close,
        volume: 10.0,
        vwap: None,
        trades: None,
        backfilled: false,
    }
}

/// A request for prices of AAPL as of the close of a day in July 2024.
fn request(id: &str, day: i8, priority: i32) -> FeatureRequest {
    let occurred_at = calendar::session_close(calendar::Date::constant(2024, 7, day)).micros();
    FeatureRequest {
        event_id: contracts::ids::event_id(),
        occurred_at,
        source: "test".into(),
        correlation_id: Some("cause".into()),
        request_id: id.into(),
        symbols: vec![RequestedSymbol { symbol: "AAPL".into(), first_seen: occurred_at, occurred_at }],
        feature_sets: vec!["price_features".into()],
        timeframe: "1day".into(),
        priority,
        requester: "test".into(),
        source_scanners: vec![],
        correlation_ids: vec!["cause".into()],
        requested_at: WALL_MICROS,
    }
}

fn ends_in_one_failure(verdict: Verdict<OutRecord>, bench: &Bench) -> RequestFailure {
    let Verdict::Emit(outputs) = verdict else { panic!("{verdict:?}") };
    assert_eq!(outputs.len(), 1);
    bench.read(&outputs[0])
}

#[test]
fn vector_uses_all_earlier_bars_and_no_later_one() {
    let mut bench = Bench::new();
    bench.stage.table_end(TableScope::CoPartitioned, Topic::BarClosed, bench.partition(), 5);
    assert!(matches!(bench.request(&request("r", 5, 5), now(0)), Verdict::Hold));
    bench.bars(1..=3);
    bench.reach(3);
    assert!(bench.take_jobs().is_empty(), "the table has not reached its end");
    bench.bars(5..=8);
    bench.reach(9);
    let jobs = bench.take_jobs();
    bench.stage.completed(compute(&jobs[0]), now(2), &mut bench.effects);
    let outputs = bench.outputs();
    let vector: Vector = bench.read(&outputs[0]);
    assert_eq!((outputs.len(), vector.bars_held, vector.request_id.as_str()), (1, 4, "r"));
    assert_eq!(vector.as_of, calendar::day_open(calendar::Date::constant(2024, 7, 5)).micros());
    assert_eq!(vector.sets["price_features"].values["close"], 105.0);
    assert_eq!(vector.correlation_id.as_deref(), Some("cause"));
}

#[test]
fn expired_request_ends_in_failure_at_once_or_in_queue() {
    let mut bench = Bench::new();
    let failure = ends_in_one_failure(bench.request(&request("late", 5, 5), now(301)), &bench);
    assert_eq!(failure.error_class, RequestErrorClass::Expired);

    let mut bench = Bench::new();
    bench.stage.table_end(TableScope::CoPartitioned, Topic::BarClosed, bench.partition(), 5);
    assert!(matches!(bench.request(&request("waits", 5, 5), now(0)), Verdict::Hold));
    bench.stage.tick(now(301), &mut bench.effects);
    let outputs = bench.outputs();
    assert_eq!(bench.read::<RequestFailure>(&outputs[0]).error_class, RequestErrorClass::Expired);
}

#[test]
fn duplicate_failure_names_the_earlier_request() {
    let mut bench = Bench::new();
    assert!(matches!(bench.request(&request("first", 5, 5), now(0)), Verdict::Hold));
    let failure = ends_in_one_failure(bench.request(&request("second", 5, 5), now(1)), &bench);
    assert_eq!(failure.error_class, RequestErrorClass::Duplicate);
    assert_eq!(failure.earlier_request_id.as_deref(), Some("first"));
    assert!(matches!(bench.request(&request("urgent", 5, 7), now(1)), Verdict::Hold));
}

#[test]
fn request_in_other_partition_is_dead_lettered() {
    let mut bench = Bench::new();
    let mut record = bench.wire.write(&request("r", 5, 5), None).unwrap();
    record.partition = (record.partition + 1) % 12;
    let Verdict::Reject(dead_letter) = bench.process(&record, now(0)) else { panic!("not rejected") };
    assert_eq!(dead_letter.topic, Topic::FeatureDeadLetter);
    assert!(dead_letter.headers.iter().any(|(_, value)| value == b"misplaced"), "{:?}", dead_letter.headers);
}

#[test]
fn failed_job_is_retried_until_attempts_are_exhausted() {
    let mut bench = Bench::new();
    assert!(matches!(bench.request(&request("r", 5, 5), now(0)), Verdict::Hold));
    for attempt in 1..=ATTEMPTS_MAX {
        let jobs = bench.take_jobs();
        assert_eq!(jobs.len(), 1, "attempt {attempt}");
        let done = JobResult::Failed { ticket: jobs[0].ticket, error: panicked("no such index") };
        bench.stage.completed(done, now(1), &mut bench.effects);
    }
    let outputs = bench.outputs();
    let failure: RequestFailure = bench.read(&outputs[0]);
    assert_eq!((failure.error_class, failure.attempts), (RequestErrorClass::Exhausted, 3));
    assert!(bench.take_jobs().is_empty());
}

#[test]
fn vectors_of_one_priority_leave_in_request_order() {
    let mut bench = Bench::new();
    bench.bars(1..=8);
    assert!(matches!(bench.request(&request("one", 3, 5), now(0)), Verdict::Hold));
    assert!(matches!(bench.request(&request("two", 5, 5), now(0)), Verdict::Hold));
    let jobs = bench.take_jobs();
    bench.stage.completed(compute(&jobs[1]), now(1), &mut bench.effects);
    assert!(bench.outputs().is_empty(), "the first is not completed yet");
    bench.stage.completed(compute(&jobs[0]), now(1), &mut bench.effects);
    let outputs = bench.outputs();
    let order: Vec<String> = outputs.iter().map(|o| bench.read::<Vector>(o).request_id).collect();
    assert_eq!(order, ["one", "two"]);
}

#[test]
fn unassigned_partition_loses_its_requests() {
    let mut bench = Bench::new();
    assert!(matches!(bench.request(&request("r", 5, 5), now(0)), Verdict::Hold));
    let jobs = bench.take_jobs();
    bench.stage.unassigned(InputPartition { topic: 0, partition: bench.partition() });
    bench.stage.completed(compute(&jobs[0]), now(1), &mut bench.effects);
    assert!(bench.outputs().is_empty());
    bench.stage.assigned(InputPartition { topic: 0, partition: bench.partition() }, Epoch(2), now(2));
    assert!(matches!(bench.request(&request("again", 5, 5), now(2)), Verdict::Hold), "no duplicate");
}

#[test]
fn redelivered_request_is_computed_again() {
    let mut bench = Bench::new();
    assert!(matches!(bench.request(&request("r", 5, 5), now(0)), Verdict::Hold));
    assert!(matches!(bench.request(&request("r", 5, 5), now(30)), Verdict::Hold));
    let minutes = FeatureRequest { timeframe: "5min".into(), ..request("m", 5, 5) };
    assert!(matches!(bench.request(&minutes, now(30)), Verdict::Hold), "another timeframe is no duplicate");
}

#[test]
fn dedup_window_expires_without_traffic() {
    let mut bench = Bench::new();
    assert!(matches!(bench.request(&request("r", 5, 5), now(0)), Verdict::Hold));
    let requested = |bench: &Bench| {
        let note = bench.stage.notes().into_iter().find(|note| note.name == REQUESTED_SYMBOLS.name);
        note.unwrap().value
    };
    assert_eq!(requested(&bench), 1);
    assert!(bench.stage.next_wake(now(0)).is_some());
    bench.stage.tick(now(60), &mut bench.effects);
    assert_eq!((requested(&bench), bench.stage.next_wake(now(60))), (0, None));
}

#[test]
fn running_symbols_per_worker_are_limited() {
    let bench = holding(6, Limits { workers: 1, worker_symbols_max: 4, ..LIMITS });
    assert_eq!(bench.take_jobs().len(), 4);
}

/// A bench with this number of admitted requests for one symbol.
fn holding(count: i64, limits: Limits) -> Bench {
    let mut bench = Bench::with(limits);
    for number in 0..count {
        let mut request = request(&number.to_string(), 5, 5);
        request.symbols[0].occurred_at -= number;
        assert!(matches!(bench.request(&request, now(0)), Verdict::Hold));
    }
    bench
}

#[test]
fn running_requests_per_symbol_are_limited() {
    let mut bench = holding(12, Limits { ordinary_max: 100, workers: 20, ..LIMITS });
    let jobs = bench.take_jobs();
    assert_eq!(jobs.len(), RUNNING_PER_SYMBOL_MAX);
    bench.stage.completed(compute(&jobs[0]), now(1), &mut bench.effects);
    assert_eq!(bench.take_jobs().len(), 1);
}

#[test]
fn drain_releases_queued_and_completes_running_requests() {
    let mut bench = Bench::with(Limits { workers: 1, ..LIMITS });
    bench.bars(1..=8);
    for (id, day) in [("one", 3), ("two", 4), ("three", 5)] {
        assert!(matches!(bench.request(&request(id, day, 5), now(0)), Verdict::Hold));
    }
    bench.stage.table_end(TableScope::CoPartitioned, Topic::BarClosed, bench.partition(), 9);
    assert!(matches!(bench.request(&request("waits for bars", 8, 5), now(0)), Verdict::Hold));
    let other = InputPartition { topic: 1, partition: bench.partition() };
    bench.stage.drain(&[other], now(0), &mut bench.effects);
    assert!(bench.effects.take().is_empty());
    let input = InputPartition { topic: 0, partition: bench.partition() };
    bench.stage.drain(&[input], now(0), &mut bench.effects);
    let effects = bench.effects.take();
    let [Effect::Release { ids }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(ids.iter().map(|id| id.offset).collect::<Vec<_>>(), [2, 3, 4]);

    let jobs = bench.take_jobs();
    bench.stage.completed(compute(&jobs[0]), now(1), &mut bench.effects);
    bench.stage.tick(now(1), &mut bench.effects);
    bench.stage.drain(&[input], now(1), &mut bench.effects);
    let outputs = bench.outputs();
    assert_eq!(
        (outputs.len(), bench.take_jobs().len()),
        (1, 0),
        "the running request is resolved, no other starts"
    );
}
