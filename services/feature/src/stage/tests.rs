//! Tests of the stage without Kafka: each symbol of a request ends once, and its vector uses no later bars.

mod benchmarks;
mod bounds;
mod earlier_days;
mod invalid_bars;
mod latency;
mod rewritten;
mod scaling;
mod splits;
mod tombstones;
mod unwritable;
mod without_bars;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chassis::ManualClock;
use chassis::health::Health;
use chassis::telemetry::{Catalogue, Metrics};
use contracts::{ClosedBar, RequestErrorClass, RequestFailure, RequestedSymbol, Vector};
use domain::calendar;
use hosting::WorkerError;
use kafka_io::{KafkaStage, TableRecord, TableScope};
use testkit::stage_bench::{DeadLetter, START_MICROS, emitted, now_after, rejected, wire};
use testkit::{StageBench, StoredRecord};

use super::*;
use crate::intake::LaneLimits;
use crate::metric_names::{METRICS, REQUESTED_SYMBOLS};
use crate::worker::compute;

/// Workers that record their jobs and compute nothing.
#[derive(Clone, Default)]
struct RecordingWorkers {
    jobs: Arc<Mutex<Vec<Job>>>,
    count: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

impl Workers for RecordingWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.jobs.lock().unwrap().push(job);
        Ok(())
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn set_held(&self, requests: usize) {
        self.held.store(requests, Ordering::Relaxed);
    }
}

/// A bench whose stage has the ordinary partition of AAPL.
struct Bench {
    bench: StageBench<FeatureStage>,
    workers: RecordingWorkers,
    health: Health,
    metrics: Metrics,
}

impl Deref for Bench {
    type Target = StageBench<FeatureStage>;

    fn deref(&self) -> &Self::Target {
        &self.bench
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bench
    }
}

const LIMITS: Limits = Limits {
    ordinary: LaneLimits { requests: 10, bytes: 1 << 20 },
    urgent: LaneLimits { requests: 10, bytes: 1 << 20 },
    request_ttl: Duration::from_secs(300),
    dedup_window: Duration::from_secs(60),
    history_bars: 300,
    slack_bars: 10,
    dedup_symbols_max: 100,
    splits_max: 100,
    outputs_max: 10,
    workers_max: 2,
    worker_symbols_max: 1,
    waiting_results_bytes_max: 1 << 20,
};

fn now(seconds: u64) -> Now {
    now_after(Duration::from_secs(seconds))
}

impl Bench {
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        let recording = RecordingWorkers::default();
        recording.count.store(limits.workers_max, Ordering::Relaxed);
        let mut bench = Self::over(limits, Box::new(recording.clone()));
        bench.workers = recording;
        bench
    }

    /// A bench of a stage with these workers.
    fn over(limits: Limits, workers: Box<dyn Workers>) -> Self {
        let wire = wire("feature", Topic::FeatureDeadLetter);
        let stage = FeatureStage::new(wire.clone(), limits, rules::COMPARED.to_vec(), workers);
        let health = Health::new(Arc::new(ManualClock::at(0)));
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
        let counts = SetCounts::new(&metrics.scope("feature"));
        let latency = Latency::new(&metrics.scope("feature"), &REQUEST_TO_VECTOR);
        let stage =
            stage.with_telemetry(counts, health.service("feature").component("bars")).with_latency(latency);
        let mut bench = Self {
            bench: StageBench::new(wire, &INPUTS, stage),
            workers: RecordingWorkers::default(),
            health,
            metrics,
        };
        let own = bench.own_input();
        bench.assign(&[own], now(0));
        bench
    }

    fn partition(&self) -> i32 {
        self.wire.partition_of("AAPL")
    }

    fn own_input(&self) -> InputPartition {
        self.input(Topic::BatchRequested, self.partition())
    }

    /// Adds day bars of July 2024 to the table. The bar of day `d` closes at the price `100 + d`.
    fn bars(&mut self, days: std::ops::RangeInclusive<i8>) {
        for day in days {
            let record = self.wire.write(&bar("AAPL", day), None).unwrap();
            let stored = StoredRecord::new(&record);
            self.stage.table_record(TableScope::CoPartitioned, &stored.as_input()).unwrap();
        }
    }

    /// Sets the end of the own bar table.
    fn set_table_end(&mut self, end: i64) {
        let partition = self.partition();
        self.stage.table_end(TableScope::CoPartitioned, Topic::BarClosed, partition, end);
    }

    fn reach(&mut self, position: i64) {
        let partition = self.partition();
        self.stage.table_position(TableScope::CoPartitioned, Topic::BarClosed, partition, position);
        self.tick(now(1));
    }

    /// Processes a request, and starts those that are ready.
    fn request(&mut self, request: &FeatureRequest, at: Now) -> Verdict<OutRecord> {
        let verdict = self.process(request, at);
        self.tick(at);
        verdict
    }

    #[track_caller]
    fn hold(&mut self, request: &FeatureRequest, at: Now) {
        let verdict = self.request(request, at);
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    }

    fn take_jobs(&self) -> Vec<Job> {
        std::mem::take(&mut self.workers.jobs.lock().unwrap())
    }

    /// Takes the outputs of all effects since the last call, which only emit.
    fn outputs(&mut self) -> Vec<OutRecord> {
        self.emitted().into_iter().flat_map(|emitted| emitted.outputs).collect()
    }
}

/// A bench with this number of admitted requests for one symbol.
fn holding(count: i64, limits: Limits) -> Bench {
    let mut bench = Bench::with(limits);
    for number in 0..count {
        let mut request = request(&number.to_string(), 5, 5);
        request.symbols[0].occurred_at -= number;
        bench.hold(&request, now(0));
    }
    bench
}

fn panicked(message: &str) -> JobError {
    JobError::Worker(WorkerError::Panicked { message: message.to_owned() })
}

fn bar(symbol: &str, day: i8) -> ClosedBar {
    let close = 100.0 + f64::from(day);
    ClosedBar {
        event_id: contracts::ids::event_id(),
        occurred_at: START_MICROS,
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
        requested_at: START_MICROS,
    }
}

fn ends_in_one_failure(verdict: Verdict<OutRecord>, bench: &Bench) -> RequestFailure {
    let outputs = emitted(verdict);
    assert_eq!(outputs.len(), 1);
    bench.decode(&outputs[0])
}

#[test]
fn vector_uses_all_earlier_bars_and_no_later_one() {
    let mut bench = Bench::new();
    bench.set_table_end(5);
    bench.hold(&request("r", 5, 5), now(0));
    bench.bars(1..=3);
    bench.reach(3);
    assert!(bench.take_jobs().is_empty(), "the table has not reached its end");
    bench.bars(5..=8);
    bench.reach(9);
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(2));
    let outputs = bench.outputs();
    let vector: Vector = bench.decode(&outputs[0]);
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
    bench.set_table_end(5);
    bench.hold(&request("waits", 5, 5), now(0));
    bench.tick(now(301));
    let outputs = bench.outputs();
    assert_eq!(bench.decode::<RequestFailure>(&outputs[0]).error_class, RequestErrorClass::Expired);
}

#[test]
fn duplicate_failure_names_the_earlier_request() {
    let mut bench = Bench::new();
    bench.hold(&request("first", 5, 5), now(0));
    let failure = ends_in_one_failure(bench.request(&request("second", 5, 5), now(1)), &bench);
    assert_eq!(failure.error_class, RequestErrorClass::Duplicate);
    assert_eq!(failure.earlier_request_id.as_deref(), Some("first"));
    bench.hold(&request("urgent", 5, 7), now(1));
}

#[test]
fn request_in_other_partition_is_dead_lettered() {
    let mut bench = Bench::new();
    let mut record = bench.wire.write(&request("r", 5, 5), None).unwrap();
    record.partition = (record.partition + 1) % 12;
    let dead_letter = rejected(bench.process_record(&record, now(0)));
    assert_eq!((dead_letter.topic, dead_letter.class.as_str()), (Topic::FeatureDeadLetter, "misplaced"));
}

#[test]
fn failed_job_is_retried_until_attempts_are_exhausted() {
    let mut bench = Bench::new();
    bench.hold(&request("r", 5, 5), now(0));
    for attempt in 1..=ATTEMPTS_MAX {
        let jobs = bench.take_jobs();
        assert_eq!(jobs.len(), 1, "attempt {attempt}");
        let done = JobResult::Failed { ticket: jobs[0].ticket, error: panicked("no such index") };
        bench.complete(done, now(1));
    }
    let outputs = bench.outputs();
    let failure: RequestFailure = bench.decode(&outputs[0]);
    assert_eq!((failure.error_class, failure.attempts), (RequestErrorClass::Exhausted, 3));
    assert!(bench.take_jobs().is_empty());
}

#[test]
fn vectors_of_one_priority_leave_in_request_order() {
    let mut bench = Bench::new();
    bench.bars(1..=8);
    bench.hold(&request("one", 3, 5), now(0));
    bench.hold(&request("two", 5, 5), now(0));
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[1]), now(1));
    assert!(bench.outputs().is_empty(), "the first is not completed yet");
    bench.complete(compute(&jobs[0]), now(1));
    let outputs = bench.outputs();
    let order: Vec<String> = outputs.iter().map(|o| bench.decode::<Vector>(o).request_id).collect();
    assert_eq!(order, ["one", "two"]);
}

#[test]
fn unassigned_partition_loses_its_requests() {
    let mut bench = Bench::new();
    bench.hold(&request("r", 5, 5), now(0));
    let jobs = bench.take_jobs();
    let own = bench.own_input();
    bench.unassign(&[own]);
    bench.complete(compute(&jobs[0]), now(1));
    assert!(bench.outputs().is_empty());
    bench.assign(&[own], now(2));
    // The dedup window of the partition was lost.
    bench.hold(&request("again", 5, 5), now(2));
}

#[test]
fn redelivered_request_is_computed_again() {
    let mut bench = Bench::new();
    bench.hold(&request("r", 5, 5), now(0));
    bench.hold(&request("r", 5, 5), now(30));
    let minutes = FeatureRequest { timeframe: "5min".into(), ..request("m", 5, 5) };
    // Another timeframe is no duplicate.
    bench.hold(&minutes, now(30));
}

#[test]
fn dedup_window_expires_without_traffic() {
    let mut bench = Bench::new();
    bench.hold(&request("r", 5, 5), now(0));
    let requested = |bench: &Bench| bench.note(REQUESTED_SYMBOLS.name);
    assert_eq!(requested(&bench), 1);
    assert_eq!(bench.stage.next_wake(now(0)), Some(EXPIRY_INTERVAL));
    bench.tick(now(60));
    assert_eq!((requested(&bench), bench.stage.next_wake(now(60))), (0, None));
}

#[test]
fn drain_releases_queued_and_completes_running_requests() {
    let mut bench = Bench::with(Limits { workers_max: 1, ..LIMITS });
    bench.bars(1..=8);
    for (id, day) in [("one", 3), ("two", 4), ("three", 5)] {
        bench.hold(&request(id, day, 5), now(0));
    }
    bench.set_table_end(9);
    bench.hold(&request("waits for bars", 8, 5), now(0));
    let other = bench.input(Topic::BatchUrgent, bench.partition());
    bench.drain(&[other], now(0));
    assert_eq!(bench.effects().len(), 0);
    let input = bench.own_input();
    bench.drain(&[input], now(0));
    let effects = bench.effects();
    let [Effect::Release { ids }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(ids.iter().map(|id| id.offset).collect::<Vec<_>>(), [2, 3, 4]);

    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(1));
    bench.tick(now(1));
    bench.drain(&[input], now(1));
    let outputs = bench.outputs();
    assert_eq!(
        (outputs.len(), bench.take_jobs().len()),
        (1, 0),
        "the running request is resolved, no other starts"
    );
}
