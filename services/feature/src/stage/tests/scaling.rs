//! The stage while the number of workers changes: a pool on a manual clock, whose workers panic and hang.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chassis::Clock;
use chassis::pool::{Options, Outcome, Pool};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

struct PoolWorkers(Pool<Job, JobResult>);

impl Workers for PoolWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.try_submit(job)
    }

    fn count(&self) -> usize {
        self.0.target_workers()
    }

    fn set_held(&self, requests: usize) {
        self.0.set_held_jobs(requests);
    }
}

/// A stage with a pool. Its jobs wait until the gate is opened; some fail at their first attempt.
struct Running {
    bench: Bench,
    pool: Pool<Job, JobResult>,
    clock: Arc<ManualClock>,
    started: Receiver<u64>,
    results: Receiver<JobResult>,
    gate: Option<SyncSender<()>>,
    /// Ends the job that hangs.
    _hang: SyncSender<()>,
}

const PANICS: u64 = 1;
const HANGS: u64 = 2;

fn result_of(outcome: Outcome<Job, JobResult>) -> JobResult {
    let failed = |ticket, error: WorkerError| JobResult::Failed { ticket, error: error.into() };
    match outcome {
        Outcome::Done { result, .. } => result,
        Outcome::Panicked { job, message } => failed(job.ticket, WorkerError::Panicked { message }),
        Outcome::Stuck { job, after } => failed(job.ticket, WorkerError::TimedOut { after }),
    }
}

impl Running {
    fn new(limits: Limits) -> Self {
        let (gate, closed) = sync_channel::<()>(0);
        let (hang, hanging) = sync_channel::<()>(0);
        let (start, started) = sync_channel(64);
        let (send, results) = sync_channel(64);
        let gates = Arc::new((Mutex::new(closed), Mutex::new(hanging)));
        let attempts: Arc<Mutex<BTreeMap<u64, u32>>> = Arc::default();
        let make = move || {
            let (start, gates, attempts) = (start.clone(), Arc::clone(&gates), Arc::clone(&attempts));
            move |job: &Job| {
                let attempt =
                    *attempts.lock().unwrap().entry(job.ticket).and_modify(|it| *it += 1).or_insert(1);
                start.send(job.ticket).unwrap();
                // Both end when their sender is dropped.
                let _opened = gates.0.lock().unwrap().recv();
                match job.ticket {
                    PANICS if attempt == 1 => panic!("at the first attempt"),
                    HANGS if attempt == 1 => drop(gates.1.lock().unwrap().recv().ok()),
                    _ => {}
                }
                compute(job)
            }
        };
        let clock = Arc::new(ManualClock::at(0));
        let report = move |outcome| drop(send.send(result_of(outcome)));
        let options = Options::new("feature-workers", 1..=limits.workers_max, limits.jobs_max());
        let pool = Pool::start(options, clock.clone(), &Scope::nowhere(), make, report).unwrap();
        let bench = Bench::over(limits, Box::new(PoolWorkers(pool.clone())));
        Self { bench, pool, clock, started, results, gate: Some(gate), _hang: hang }
    }

    /// Advances the clocks, lets the pool take a step, and returns the number of workers that it should have.
    fn target_after(&mut self, millis: u64) -> usize {
        self.clock.advance(Duration::from_millis(millis));
        self.pool.check().unwrap();
        self.bench.tick(now_after(self.clock.monotonic()));
        self.pool.target_workers()
    }

    fn next_started(&self) -> u64 {
        self.started.recv_timeout(TIMEOUT).unwrap()
    }

    /// Passes the results of this number of jobs to the stage.
    fn complete(&mut self, count: usize) {
        for _ in 0..count {
            let result = self.results.recv_timeout(TIMEOUT).unwrap();
            self.bench.complete(result, now_after(self.clock.monotonic()));
        }
    }
}

/// Returns the vectors without their identity and the duration of their computation.
fn content(bench: &Bench, outputs: &[OutRecord]) -> Vec<Vector> {
    let of = |output: &OutRecord| {
        let vector: Vector = bench.decode(output);
        Vector { event_id: String::new(), computation_micros: 0, ..vector }
    };
    outputs.iter().map(of).collect()
}

fn submit(bench: &mut Bench, requests: std::ops::Range<i64>) {
    for number in requests {
        let mut request = request(&number.to_string(), 8, 5);
        request.symbols[0].occurred_at -= number;
        bench.hold(&request, now(0));
    }
}

#[test]
fn vectors_are_exact_while_workers_grow_fail_and_shrink() {
    const REQUESTS: usize = 9;
    let limits = Limits { workers_max: 3, ..LIMITS };
    let mut running = Running::new(limits);
    running.bench.bars(1..=8);
    submit(&mut running.bench, 0..9);
    assert_eq!(running.next_started(), PANICS);
    for workers in 2..=3 {
        assert_eq!(running.target_after(100), workers);
        running.next_started();
    }
    assert_eq!(running.target_after(100), 3);
    // One job panics, one hangs, and the third worker computes all others and the repetition.
    drop(running.gate.take());
    running.complete(REQUESTS);
    assert_eq!(running.bench.outputs().len(), 1, "the others wait for the one that hangs (P8)");
    assert_eq!(running.target_after(30_001), 3);
    running.complete(2);
    let outputs = running.bench.outputs();
    assert_eq!(outputs.len(), REQUESTS - 1);
    assert_eq!((running.target_after(60_000), running.target_after(60_000)), (2, 1));
    submit(&mut running.bench, 9..10);
    running.complete(1);
    let last = running.bench.outputs();

    let mut reference = Bench::with(limits);
    reference.bars(1..=8);
    submit(&mut reference, 0..10);
    let mut expected = Vec::new();
    loop {
        let jobs = reference.take_jobs();
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            reference.complete(compute(&job), now(1));
            expected.extend(reference.outputs());
        }
    }
    let vectors = content(&running.bench, &[outputs, last].concat());
    assert_eq!(vectors, content(&reference, &expected)[1..]);
}

#[test]
fn running_symbols_per_worker_are_limited() {
    let bench = holding(6, Limits { workers_max: 1, worker_symbols_max: 4, ..LIMITS });
    assert_eq!(bench.take_jobs().len(), 4);
}

#[test]
fn running_symbols_exceed_full_workers_by_less_than_a_request() {
    const WORKERS: usize = 2;
    const SYMBOLS: usize = 4;
    let mut bench = Bench::with(Limits { workers_max: WORKERS, worker_symbols_max: SYMBOLS, ..LIMITS });
    let names = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("{first}{second}")));
    let (wire, partition) = (bench.wire.clone(), bench.partition());
    let mut names = names.filter(|name| wire.partition_of(name) == partition);
    for (number, symbols) in [SYMBOLS, SYMBOLS - 1, SYMBOLS, SYMBOLS, SYMBOLS].into_iter().enumerate() {
        let mut request = request(&number.to_string(), 5, 5);
        let first = request.symbols.remove(0);
        let of = |symbol| RequestedSymbol { symbol, ..first.clone() };
        request.symbols = names.by_ref().take(symbols).map(of).collect();
        bench.hold(&request, now(0));
    }
    let running: usize = bench.take_jobs().iter().map(|job| job.symbols.len()).sum();
    assert_eq!(running, (WORKERS + 1) * SYMBOLS - 1);
}

#[test]
fn running_requests_per_symbol_are_limited() {
    let mut bench = holding(12, Limits { ordinary_max: 100, workers_max: 20, ..LIMITS });
    let jobs = bench.take_jobs();
    assert_eq!(jobs.len(), RUNNING_PER_SYMBOL_MAX);
    bench.complete(compute(&jobs[0]), now(1));
    assert_eq!(bench.take_jobs().len(), 1);
}

#[test]
fn only_requests_without_a_free_worker_are_reported_as_held() {
    let held = |bench: &Bench| bench.workers.held.load(Ordering::Relaxed);
    let bench = holding(5, LIMITS);
    assert_eq!((bench.take_jobs().len(), held(&bench)), (2, 3));
    // At the limit of a symbol more workers would not help.
    let bench = holding(12, Limits { ordinary_max: 100, workers_max: 20, ..LIMITS });
    assert_eq!((bench.take_jobs().len(), held(&bench)), (RUNNING_PER_SYMBOL_MAX, 0));
}

#[test]
fn added_worker_gets_a_held_request_within_a_step() {
    let mut bench = holding(5, LIMITS);
    assert_eq!(bench.take_jobs().len(), 2);
    assert_eq!(bench.stage.next_wake(now(0)), Some(GROWTH_INTERVAL));
    bench.workers.count.store(3, Ordering::Relaxed);
    bench.tick(now(1));
    assert_eq!(bench.take_jobs().len(), 1);
}
