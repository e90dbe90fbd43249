//! The stage while the number of workers changes: a pool on a manual clock, whose workers panic and hang.

use chassis::pool::Pool;
use testkit::WorkerBench;

use super::*;
use crate::config::RequestsSection;
use crate::service::{StageWorkers, start_workers};

/// A stage with the workers of the service. Their jobs wait until the gate is opened; some fail at their first attempt.
struct Running {
    bench: Bench,
    pool: Pool<Job, JobResult>,
    workers: WorkerBench<u64, JobResult>,
}

const PANICS: u64 = 1;
const HANGS: u64 = 2;

impl Running {
    fn new(limits: Limits) -> Self {
        let (workers, done) = WorkerBench::new(limits.jobs_max(), PANICS, HANGS);
        let attempts = workers.attempts.clone();
        let make = move || {
            let attempts = attempts.clone();
            move |job: &Job| {
                attempts.meet(&job.ticket);
                compute(job)
            }
        };
        let section = RequestsSection { workers_max: limits.workers_max, ..RequestsSection::default() };
        let started = start_workers(&section, limits.jobs_max(), &workers.context, done, make).unwrap();
        let pool = started.pool().clone();
        let bench = Bench::over(limits, Box::new(StageWorkers(started)));
        Self { bench, pool, workers }
    }

    /// Advances the clocks, lets the pool take a step, and returns the number of workers that it should have.
    fn target_after(&mut self, millis: u64) -> usize {
        let target = self.workers.target_after(millis, &self.pool);
        self.bench.tick(self.workers.now());
        target
    }

    /// Passes the results of this number of jobs to the stage.
    fn complete(&mut self, count: usize) {
        for _ in 0..count {
            self.bench.complete(self.workers.next_result(), self.workers.now());
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
    assert_eq!(running.workers.next_started(), PANICS);
    for workers in 2..=3 {
        assert_eq!(running.target_after(100), workers);
        running.workers.next_started();
    }
    assert_eq!(running.target_after(100), 3);
    // One job panics, one hangs, and the third worker computes all others and the repetition.
    running.workers.open_gate();
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
    let mut bench = holding(
        12,
        Limits { ordinary: LaneLimits { requests: 100, ..LIMITS.ordinary }, workers_max: 20, ..LIMITS },
    );
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
    let bench = holding(
        12,
        Limits { ordinary: LaneLimits { requests: 100, ..LIMITS.ordinary }, workers_max: 20, ..LIMITS },
    );
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
