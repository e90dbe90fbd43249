//! The executor while the number of workers changes: a pool on a manual clock, whose workers panic and hang.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backfill::config::ExecutorSection;
use backfill::sources::SourceError;
use backfill::stage::executor::Workers;
use backfill::worker::{Job, JobResult, fetch_chunk};
use chassis::ManualClock;
use chassis::pool::{Options, Outcome, Pool};
use chassis::telemetry::Scope;
use contracts::RangeRequest;
use domain::{Symbol, Timeframe};
use hosting::WorkerError;

use crate::bench::{Bench, Script, now, request};

const TIMEOUT: Duration = Duration::from_secs(60);
const PANICS: Symbol = Symbol::constant("AAPL");
const HANGS: Symbol = Symbol::constant("MSFT");

struct PoolWorkers(Pool<Job, JobResult>);

impl Workers for PoolWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.try_submit(job)
    }
}

/// An executor with a pool. Its calls wait until the gate is opened. The first ones of two symbols fail.
struct Running {
    bench: Bench,
    pool: Pool<Job, JobResult>,
    clock: Arc<ManualClock>,
    started: Receiver<()>,
    results: Receiver<JobResult>,
    gate: Option<SyncSender<()>>,
    /// Ends the call that hangs.
    _hang: SyncSender<()>,
}

fn result_of(outcome: Outcome<Job, JobResult>) -> JobResult {
    let failed = |job: &Job, error: WorkerError| JobResult {
        fetch: job.fetch,
        bars: Err(SourceError::transient("script", error)),
    };
    match outcome {
        Outcome::Done { result, .. } => result,
        Outcome::Panicked { job, message } => failed(&job, WorkerError::Panicked { message }),
        Outcome::Stuck { job, after } => failed(&job, WorkerError::TimedOut { after }),
    }
}

impl Running {
    fn new(section: &ExecutorSection) -> Self {
        let (gate, closed) = sync_channel::<()>(0);
        let (hang, hanging) = sync_channel::<()>(0);
        let (start, started) = sync_channel(64);
        let (send, results) = sync_channel(64);
        let gates = Arc::new((Mutex::new(closed), Mutex::new(hanging)));
        let called: Arc<Mutex<BTreeSet<Symbol>>> = Arc::default();
        let source = Arc::new(Script { timeframes: Mutex::new(vec![Timeframe::Day1]), ..Script::default() });
        let make = move || {
            let (start, gates, called) = (start.clone(), Arc::clone(&gates), Arc::clone(&called));
            let source = Arc::clone(&source);
            move |job: &Job| {
                let is_first = called.lock().expect("an intact lock").insert(job.symbol);
                start.send(()).expect("the test receives");
                // Both end when their sender is dropped.
                let _opened = gates.0.lock().expect("an intact lock").recv();
                assert!(!(is_first && job.symbol == PANICS), "at the first call");
                if is_first && job.symbol == HANGS {
                    let _ended = gates.1.lock().expect("an intact lock").recv();
                }
                fetch_chunk(source.as_ref(), job)
            }
        };
        let clock = Arc::new(ManualClock::at(0));
        let report = move |outcome| drop(send.send(result_of(outcome)));
        let options =
            Options::new("backfill-workers", section.workers_min..=section.workers_max, section.running_max);
        let pool = Pool::start(options, clock.clone(), &Scope::nowhere(), make, report).expect("a thread");
        let bench = Bench::with_workers(section.clone(), Box::new(PoolWorkers(pool.clone())));
        Self { bench, pool, clock, started, results, gate: Some(gate), _hang: hang }
    }

    /// Advances the clock of the pool, lets it take a step, and returns the number of workers that it should have.
    fn target_after(&self, millis: u64) -> usize {
        self.clock.advance(Duration::from_millis(millis));
        self.pool.check().expect("restarts within the budget");
        self.pool.target_workers()
    }

    fn next_started(&self) {
        self.started.recv_timeout(TIMEOUT).expect("a started call");
    }

    /// Passes the results of this number of calls to the stage, and retries those whose wait has ended.
    fn complete(&mut self, count: usize, seconds: u64) {
        for _ in 0..count {
            let result = self.results.recv_timeout(TIMEOUT).expect("a result");
            self.bench.complete(result, now(seconds));
            self.bench.tick(now(seconds));
        }
        // Retries wait for up to a second.
        self.bench.tick(now(seconds + 1));
    }
}

fn requests() -> impl Iterator<Item = RangeRequest> {
    let of = |(number, symbol): (u128, &str)| RangeRequest {
        symbol: symbol.to_owned(),
        ..request(number, "2024-01-02", "2024-01-31")
    };
    [(1, "AAPL"), (2, "MSFT"), (3, "SPY")].into_iter().map(of)
}

/// Returns symbol and open time of each bar, in order.
fn bars(bench: &Bench) -> Vec<(String, i64)> {
    let mut bars: Vec<_> = bench.outputs.bars.iter().map(|bar| (bar.symbol.clone(), bar.open_time)).collect();
    bars.sort_unstable();
    bars
}

#[test]
fn bars_are_exact_while_workers_grow_fail_and_shrink() {
    let section = ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() };
    let mut reference = Bench::with(section.clone());
    requests().for_each(|request| reference.hold(&request, now(0)));
    reference.work_until_all_ended(2);

    let mut running = Running::new(&section);
    requests().for_each(|request| running.bench.hold(&request, now(0)));
    running.bench.tick(now(2));
    running.next_started();
    for workers in 2..=3 {
        assert_eq!(running.target_after(100), workers);
        running.next_started();
    }
    // The call for one symbol panics, that for another hangs. Both are repeated; a symbol has three chunks.
    drop(running.gate.take());
    running.complete(1 + 3, 3);
    running.complete(3, 5);
    assert_eq!(running.bench.outputs.completed.len(), 2);
    assert_eq!(running.target_after(30_001), 3);
    running.complete(1, 70);
    running.complete(3, 72);
    assert_eq!((running.target_after(60_000), running.target_after(60_000)), (2, 1));
    let outputs = &running.bench.outputs;
    assert_eq!((outputs.completed.len(), outputs.failed.len()), (3, 0));
    assert!(outputs.completed.iter().all(|end| end.success));
    assert_eq!(bars(&running.bench), bars(&reference));
}
