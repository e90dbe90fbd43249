//! Memory of running jobs. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::memory::used_bytes;
use contracts::{ClosedBar, FeatureRequest, RequestedSymbol, Topic, ids};
use domain::{FeatureSet, calendar};
use feature::config::RequestsSection;
use feature::intake::LaneLimits;
use feature::memory::memory_parts;
use feature::rules::COMPARED;
use feature::stage::{FeatureStage, INPUTS, Limits, WORKER_SYMBOLS_MAX, Workers};
use feature::worker::{Job, JobResult, compute};
use kafka_io::{KafkaStage, TableScope};
use pipeline::Verdict;
use testkit::stage_bench::{START_MICROS, now_after, wire};
use testkit::{StageBench, StoredRecord};

/// Symbols of a request. One less than a full one per worker run, so that one more request is started.
const SYMBOLS: usize = WORKER_SYMBOLS_MAX - 1;

const MINUTE_MICROS: i64 = 60_000_000;

/// Workers that keep their jobs.
struct Keeping {
    jobs: Arc<Mutex<Vec<Job>>>,
    workers: usize,
}

impl Workers for Keeping {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.jobs.lock().unwrap().push(job);
        Ok(())
    }

    fn count(&self) -> usize {
        self.workers
    }

    fn set_held(&self, _: usize) {}
}

fn bar(symbol: &str, minute: i64) -> ClosedBar {
    let close = 100.0 + f64::from(i32::try_from(minute % 17).unwrap());
    ClosedBar {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: symbol.into(),
        timeframe: "1min".into(),
        open_time: calendar::session_close(calendar::Date::constant(2024, 7, 10)).micros()
            - minute * MINUTE_MICROS,
        open: close,
        high: close + 1.0,
        low: close - 1.0,
        close,
        volume: 10.0,
        vwap: None,
        trades: None,
        backfilled: false,
    }
}

fn request(number: i64, symbols: &[String]) -> FeatureRequest {
    let occurred_at = calendar::session_close(calendar::Date::constant(2024, 7, 10)).micros() + number;
    let requested =
        |symbol: &String| RequestedSymbol { symbol: symbol.clone(), first_seen: occurred_at, occurred_at };
    FeatureRequest {
        event_id: ids::event_id(),
        occurred_at,
        source: "test".into(),
        correlation_id: None,
        request_id: number.to_string(),
        symbols: symbols.iter().map(requested).collect(),
        feature_sets: FeatureSet::ALL.iter().map(|set| set.as_str().to_owned()).collect(),
        timeframe: "1min".into(),
        priority: 5,
        requester: "test".into(),
        source_scanners: vec![],
        correlation_ids: vec![],
        requested_at: START_MICROS,
    }
}

#[test]
fn running_jobs_use_at_most_the_memory_that_is_summed() {
    let section = RequestsSection::default();
    let lane = LaneLimits { requests: 1_000, bytes: 8 << 20 };
    let limits = Limits {
        ordinary: lane,
        urgent: lane,
        request_ttl: Duration::from_secs(300),
        dedup_window: Duration::from_secs(60),
        dedup_symbols_max: 100_000,
        splits_max: 1_000,
        history_bars: section.history_bars,
        slack_bars: 0,
        outputs_max: usize::MAX,
        workers_max: section.workers_max,
        worker_symbols_max: WORKER_SYMBOLS_MAX,
        waiting_results_bytes_max: 1 << 20,
    };
    let jobs = Arc::new(Mutex::new(Vec::new()));
    let workers = Keeping { jobs: Arc::clone(&jobs), workers: section.workers_max };
    let wire = wire("feature", Topic::FeatureDeadLetter);
    let character = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap());
    let names =
        (0..).map(|number: usize| [17_576, 676, 26, 1].map(|unit| character(number / unit)).iter().collect());
    let symbols: Vec<String> =
        names.filter(|name: &String| wire.partition_of(name) == 0).take(SYMBOLS).collect();
    let stage = FeatureStage::new(wire.clone(), limits, COMPARED.to_vec(), Box::new(workers));
    let mut bench = StageBench::new(wire, &INPUTS, stage);
    let (input, now) = (bench.input(INPUTS[0], 0), now_after(Duration::ZERO));
    bench.assign(&[input], now);
    for symbol in &symbols {
        for minute in (1..=i64::try_from(section.history_bars).unwrap()).rev() {
            let record = bench.wire.write(&bar(symbol, minute), None).unwrap();
            let stored = StoredRecord::new(&record);
            bench.stage.table_record(TableScope::CoPartitioned, &stored.as_input()).unwrap();
        }
    }
    let before = used_bytes().unwrap();
    for number in 0..2 * i64::try_from(section.workers_max).unwrap() {
        let verdict = bench.process(&request(number, &symbols), now);
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
        bench.tick(now);
    }
    let jobs = std::mem::take(&mut *jobs.lock().unwrap());
    assert_eq!(jobs.len(), section.workers_max + 1);
    let bars = jobs.iter().flat_map(|job| &job.symbols).map(|symbol| symbol.bars.len()).sum::<usize>();
    assert_eq!(bars, jobs.len() * SYMBOLS * section.history_bars);
    let with_bars = used_bytes().unwrap().saturating_sub(before);
    let results: Vec<JobResult> = jobs.iter().map(compute).collect();
    let used = used_bytes().unwrap().saturating_sub(before);
    let part = &memory_parts(&section)[0];
    println!("{} KiB of bars, {} with results, {part}", with_bars >> 10, used >> 10);
    assert!((part.bytes / 3..=part.bytes).contains(&used), "{used} bytes of {}", part.bytes);
    drop((jobs, results));
}
