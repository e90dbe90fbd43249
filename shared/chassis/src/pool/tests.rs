//! Tests with panicking and stuck workers. Every wait is for an event.

mod scaling;
mod supervisor;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::health::Health;
use crate::pool::state::State;
use crate::run::METRICS;
use crate::shutdown::{Cause, Shutdown};
use crate::tasks::{EndPolicy, Tasks};
use crate::telemetry::{Catalogue, Metrics};

const TIMEOUT: Duration = Duration::from_secs(60);

type Outcomes = Receiver<Outcome<u32, u32>>;

fn options(workers: usize, queue_jobs: usize) -> Options {
    Options { restarts: 2, ..Options::new("compute", workers..=workers, queue_jobs) }
}

/// Starts a pool on a manual clock.
fn pool_of<W: FnMut(&u32) -> u32 + 'static>(
    options: Options,
    make: impl Fn() -> W + Send + Sync + 'static,
) -> (Pool<u32, u32>, Outcomes, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(0));
    let (report, outcomes) = sync_channel(64);
    let report = move |outcome| report.send(outcome).unwrap();
    let pool = Pool::start(options, clock.clone(), &Scope::nowhere(), make, report).unwrap();
    (pool, outcomes, clock)
}

/// Returns the value of a sample of the pool `compute`.
fn sample(metrics: &Metrics, name: &str, labels: &str) -> String {
    let rendered = metrics.render();
    let series = format!("{name}{{service=\"test\",pool=\"compute\"{labels}}} ");
    rendered.lines().find_map(|line| line.strip_prefix(&series)).expect("a sample").to_owned()
}

fn next(outcomes: &Outcomes) -> Outcome<u32, u32> {
    outcomes.recv_timeout(TIMEOUT).expect("an outcome")
}

#[test]
fn accepted_job_has_exactly_one_outcome() {
    let (pool, outcomes, _) = pool_of(options(2, 64), || |job: &u32| job * 2);
    for job in 0..50 {
        pool.try_submit(job).unwrap();
    }
    pool.close();
    assert_eq!(pool.try_submit(50), Err(50), "a closed pool rejects jobs");
    drop(pool);
    // The channel ends when the last worker has.
    let mut results: Vec<u32> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done { job, result } if *job * 2 == result => *job,
            other => panic!("{other:?}"),
        })
        .collect();
    results.sort_unstable();
    assert_eq!(results, (0..50).collect::<Vec<_>>());
}

#[test]
fn full_queue_returns_the_job() {
    let (started, at_work) = sync_channel(1);
    let (release, wait) = sync_channel::<()>(0);
    let wait = Arc::new(Mutex::new(wait));
    let (pool, outcomes, _) = pool_of(options(1, 2), move || {
        let (started, wait) = (started.clone(), Arc::clone(&wait));
        move |job: &u32| {
            started.send(()).unwrap();
            locked(&wait).recv().unwrap();
            *job
        }
    });
    pool.try_submit(0).unwrap();
    at_work.recv_timeout(TIMEOUT).unwrap();
    pool.try_submit(1).unwrap();
    pool.try_submit(2).unwrap();
    assert_eq!(pool.try_submit(3), Err(3));
    assert_eq!((pool.queued(), pool.busy()), (2, 1));
    release.send(()).unwrap();
    assert!(matches!(next(&outcomes), Outcome::Done { result: 0, .. }));
    at_work.recv_timeout(TIMEOUT).unwrap();
    pool.try_submit(3).expect("the worker took a job, so the queue has room");
}

#[test]
fn panicked_job_is_returned_and_worker_restarts_after_backoff() {
    let makes = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&makes);
    let (pool, outcomes, clock) = pool_of(options(1, 8), move || {
        *locked(&counted) += 1;
        let worker = *locked(&counted);
        move |job: &u32| {
            assert!(worker > 1, "the first worker fails on job {job}");
            job * 2
        }
    });
    pool.try_submit(21).unwrap();
    let Outcome::Panicked { job, message } = next(&outcomes) else { panic!("not a panic") };
    assert!(message.contains("the first worker fails on job 21"), "{message}");
    pool.try_submit(*job).unwrap();
    pool.check().unwrap();
    assert_eq!(pool.queued(), 1, "the slot is vacant until its back-off has elapsed");
    clock.advance(Duration::from_millis(10));
    pool.check().unwrap();
    assert_eq!(pool.workers(), 1, "restarted");
    assert!(matches!(next(&outcomes), Outcome::Done { result: 42, .. }));
    assert_eq!(*locked(&makes), 2);
}

#[test]
fn stuck_worker_is_replaced_and_its_late_result_discarded() {
    let (started, at_work) = sync_channel::<()>(8);
    let (release, hang) = sync_channel::<()>(0);
    let hang = Arc::new(Mutex::new(Some(hang)));
    let (pool, outcomes, clock) = pool_of(options(1, 8), move || {
        let (started, hang) = (started.clone(), Arc::clone(&hang));
        move |job: &u32| {
            started.send(()).unwrap();
            // Only the first job hangs: it takes the receiver.
            let hanging = locked(&hang).take();
            if let Some(hang) = hanging {
                hang.recv().unwrap();
            }
            job * 2
        }
    });
    pool.try_submit(21).unwrap();
    at_work.recv_timeout(TIMEOUT).unwrap();
    clock.advance(Duration::from_secs(30));
    pool.check().unwrap();
    assert_eq!(pool.busy(), 1, "at the deadline the job is not stuck yet");
    clock.advance(Duration::from_millis(1));
    pool.check().unwrap();
    assert_eq!(pool.busy(), 0, "the job is stuck");
    let Outcome::Stuck { job, after } = next(&outcomes) else { panic!("not stuck") };
    assert_eq!((*job, after), (21, Duration::from_millis(30_001)));
    clock.advance(Duration::from_millis(10));
    pool.check().unwrap();
    pool.try_submit(*job).unwrap();
    assert!(matches!(next(&outcomes), Outcome::Done { result: 42, .. }));
    release.send(()).unwrap();
    pool.close();
    drop(pool);
    assert_eq!(outcomes.iter().count(), 0, "the stuck worker reported a second outcome");
}

#[test]
fn exhausted_restart_budget_is_an_error() {
    let (pool, outcomes, clock) = pool_of(options(1, 8), || |_: &u32| -> u32 { panic!("always") });
    for _ in 0..3 {
        pool.try_submit(1).unwrap();
        clock.advance(Duration::from_secs(10));
        let filled = pool.check();
        if filled.is_ok() {
            assert!(matches!(next(&outcomes), Outcome::Panicked { .. }));
        }
    }
    pool.try_submit(1).unwrap();
    clock.advance(Duration::from_secs(10));
    let exceeded = pool.check().unwrap_err();
    assert_eq!(
        exceeded.to_string(),
        "pool compute: restart budget exceeded: more than 2 restarts within 60s"
    );
}

/// Waits for a change that another thread makes.
#[track_caller]
fn wait_until(is_done: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !is_done() {
        assert!(started.elapsed() < TIMEOUT, "the pool does not get there");
        std::thread::yield_now();
    }
}

/// Starts the pool's supervisor as a task.
fn supervised(pool: &Pool<u32, u32>, health: &Health) -> (tokio::runtime::Runtime, Tasks, Shutdown) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shutdown = Shutdown::new();
    let tasks = Tasks::new("test", runtime.handle().clone(), shutdown.clone(), &Scope::nowhere());
    tasks.thread("compute-supervisor", EndPolicy::MustRun, pool.supervisor(&health.service("test")));
    (runtime, tasks, shutdown)
}

#[test]
fn jobs_that_kill_their_workers_are_retried_without_loss() {
    // The pool also grows and shrinks all the time.
    const JOBS: u32 = 500;
    let mut options = Options { restarts: 1_000, backoff_max: Duration::from_millis(1), ..options(1, 1_024) };
    let (workers_max, step) = (4, Duration::from_micros(1));
    options.scaling = Scaling { workers_max, grow_after: step, shrink_after: step, ..options.scaling };
    let killed: Arc<Mutex<BTreeMap<u32, ()>>> = Arc::default();
    let (gate, closed) = sync_channel::<()>(0);
    let closed = Arc::new(Mutex::new(closed));
    let (report, outcomes): (SyncSender<_>, Outcomes) = sync_channel(2_048);
    let make = move || {
        let (killed, closed) = (Arc::clone(&killed), Arc::clone(&closed));
        move |job: &u32| {
            let _opened = locked(&closed).recv();
            let first = locked(&killed).insert(*job, ()).is_none();
            assert!(!(first && job.is_multiple_of(10)), "job {job} kills its worker once");
            job * 2
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let report = move |outcome| report.send(outcome).unwrap();
    let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
    let pool = Pool::start(options, Arc::clone(&clock), &metrics.scope("test"), make, report).unwrap();
    let (runtime, tasks, shutdown) = supervised(&pool, &Health::new(clock));
    for job in 0..JOBS {
        pool.try_submit(job).unwrap();
    }
    // No job ends until the pool has grown.
    wait_until(|| pool.target_workers() == workers_max);
    drop(gate);
    let mut done = BTreeMap::new();
    while done.len() < usize::try_from(JOBS).unwrap() {
        match next(&outcomes) {
            Outcome::Done { job, .. } => assert!(done.insert(*job, ()).is_none(), "job {job} was done twice"),
            Outcome::Panicked { job, .. } => pool.try_submit(*job).unwrap(),
            Outcome::Stuck { job, .. } => panic!("job {job} is stuck"),
        }
    }
    wait_until(|| pool.target_workers() == 1);
    let steps = |direction| {
        let steps = sample(&metrics, SCALE_STEPS.name, &format!(",direction=\"{direction}\""));
        steps.parse::<usize>().unwrap()
    };
    assert!(steps("up") >= workers_max - 1, "{} steps up", steps("up"));
    wait_until(|| steps("down") == steps("up"));
    shutdown.begin(Cause::Requested);
    pool.close();
    assert_eq!(runtime.block_on(tasks.join(TIMEOUT)).exit(), crate::Exit::Ok);
}

#[test]
fn exhausted_restart_budget_stops_process_and_readiness() {
    let options = Options { restarts: 0, ..options(1, 8) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let make = || |_: &u32| -> u32 { panic!("always") };
    let pool = Pool::start(options, Arc::clone(&clock), &Scope::nowhere(), make, drop).unwrap();
    let health = Health::new(clock);
    let (runtime, tasks, shutdown) = supervised(&pool, &health);
    pool.try_submit(1).unwrap();
    runtime.block_on(async { tokio::time::timeout(TIMEOUT, shutdown.begun()).await.unwrap() });
    let outcome = runtime.block_on(tasks.join(TIMEOUT));
    assert_eq!(outcome.failed[0].task, "compute-supervisor");
    assert!(health.readiness().waiting["test"]["compute"].contains("more than 0 restarts"));
}
