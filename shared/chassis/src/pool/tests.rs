//! Killed, panicking and hanging workers. Every wait is for an event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::health::Health;
use crate::shutdown::{Cause, Shutdown};
use crate::tasks::{Fate, Tasks};

const PATIENCE: Duration = Duration::from_secs(60);

type Outcomes = Receiver<Outcome<u32, u32>>;

fn options(workers: usize, queue_jobs: usize) -> Options {
    Options { restarts: 2, ..Options::new("compute", workers, queue_jobs) }
}

/// A pool that doubles its jobs by `work`, on a clock that stands.
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

fn next(outcomes: &Outcomes) -> Outcome<u32, u32> {
    outcomes.recv_timeout(PATIENCE).expect("an outcome")
}

#[test]
fn every_accepted_job_has_one_outcome() {
    let (pool, outcomes, _) = pool_of(options(2, 64), || |job: &u32| job * 2);
    for job in 0..50 {
        pool.try_submit(job).unwrap();
    }
    pool.close();
    assert_eq!(pool.try_submit(50), Err(50), "a closed pool takes no jobs");
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
fn a_full_queue_gives_the_job_back() {
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
    at_work.recv_timeout(PATIENCE).unwrap();
    pool.try_submit(1).unwrap();
    pool.try_submit(2).unwrap();
    assert_eq!(pool.try_submit(3), Err(3));
    assert_eq!((pool.queued(), pool.busy()), (2, 1));
    release.send(()).unwrap();
    assert!(matches!(next(&outcomes), Outcome::Done { result: 0, .. }));
    at_work.recv_timeout(PATIENCE).unwrap();
    pool.try_submit(3).expect("the worker has taken one, so there is room again");
}

#[test]
fn a_job_that_panics_comes_back_and_its_worker_is_made_anew_after_the_back_off() {
    let makes = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&makes);
    let (pool, outcomes, clock) = pool_of(options(1, 8), move || {
        *locked(&counted) += 1;
        let life = *locked(&counted);
        move |job: &u32| {
            assert!(life > 1, "the first worker breaks on job {job}");
            job * 2
        }
    });
    pool.try_submit(21).unwrap();
    let Outcome::Panicked { job, message } = next(&outcomes) else { panic!("not a panic") };
    assert!(message.contains("the first worker breaks on job 21"), "{message}");
    pool.try_submit(*job).unwrap();
    pool.check().unwrap();
    assert_eq!(pool.queued(), 1, "the slot is vacant until its back-off is over");
    clock.advance(Duration::from_millis(10));
    pool.check().unwrap();
    assert!(matches!(next(&outcomes), Outcome::Done { result: 42, .. }));
    assert_eq!(*locked(&makes), 2);
}

#[test]
fn a_worker_that_hangs_is_replaced_and_its_late_result_is_discarded() {
    let (started, at_work) = sync_channel::<()>(8);
    let (release, hang) = sync_channel::<()>(0);
    let hang = Arc::new(Mutex::new(Some(hang)));
    let (pool, outcomes, clock) = pool_of(options(1, 8), move || {
        let (started, hang) = (started.clone(), Arc::clone(&hang));
        move |job: &u32| {
            started.send(()).unwrap();
            // Only the first job hangs: it takes the receiver along.
            let hanging = locked(&hang).take();
            if let Some(hang) = hanging {
                hang.recv().unwrap();
            }
            job * 2
        }
    });
    pool.try_submit(21).unwrap();
    at_work.recv_timeout(PATIENCE).unwrap();
    clock.advance(Duration::from_secs(30));
    pool.check().unwrap();
    assert_eq!(pool.busy(), 1, "the deadline itself is not past it");
    clock.advance(Duration::from_millis(1));
    pool.check().unwrap();
    let Outcome::Stuck { job, after } = next(&outcomes) else { panic!("not stuck") };
    assert_eq!((*job, after), (21, Duration::from_millis(30_001)));
    clock.advance(Duration::from_millis(10));
    pool.check().unwrap();
    pool.try_submit(*job).unwrap();
    assert!(matches!(next(&outcomes), Outcome::Done { result: 42, .. }));
    release.send(()).unwrap();
    pool.close();
    drop(pool);
    assert_eq!(outcomes.iter().count(), 0, "the hanging worker's result came after its outcome");
}

#[test]
fn more_restarts_than_the_budget_allows_is_a_failure() {
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
    let spent = pool.check().unwrap_err();
    assert_eq!(spent.to_string(), "pool compute: more than 2 restarts within 60s");
}

/// The pool's supervisor as a task of a process.
fn supervised(pool: &Pool<u32, u32>, health: &Health) -> (tokio::runtime::Runtime, Tasks, Shutdown) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shutdown = Shutdown::new();
    let tasks = Tasks::new("test", runtime.handle().clone(), shutdown.clone(), &Scope::nowhere());
    tasks.thread("compute-supervisor", Fate::MustRun, pool.supervisor(&health.service("test")));
    (runtime, tasks, shutdown)
}

#[test]
fn jobs_that_kill_their_workers_under_load_are_retried_and_none_is_lost() {
    const JOBS: u32 = 500;
    let options = Options { restarts: 1_000, backoff_max: Duration::from_millis(1), ..options(4, 1_024) };
    let killed: Arc<Mutex<BTreeMap<u32, ()>>> = Arc::default();
    let (report, outcomes): (SyncSender<_>, Outcomes) = sync_channel(2_048);
    let make = move || {
        let killed = Arc::clone(&killed);
        move |job: &u32| {
            let first = locked(&killed).insert(*job, ()).is_none();
            assert!(!(first && job.is_multiple_of(10)), "job {job} kills its worker once");
            job * 2
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let report = move |outcome| report.send(outcome).unwrap();
    let pool = Pool::start(options, Arc::clone(&clock), &Scope::nowhere(), make, report).unwrap();
    let (runtime, tasks, shutdown) = supervised(&pool, &Health::new(clock));
    for job in 0..JOBS {
        pool.try_submit(job).unwrap();
    }
    let mut done = BTreeMap::new();
    while done.len() < usize::try_from(JOBS).unwrap() {
        match next(&outcomes) {
            Outcome::Done { job, .. } => assert!(done.insert(*job, ()).is_none(), "job {job} was done twice"),
            Outcome::Panicked { job, .. } => pool.try_submit(*job).unwrap(),
            Outcome::Stuck { job, .. } => panic!("job {job} is stuck"),
        }
    }
    shutdown.begin(Cause::Asked);
    pool.close();
    assert_eq!(runtime.block_on(tasks.join(PATIENCE)).exit(), crate::Exit::Ok);
}

#[test]
fn a_spent_budget_ends_the_process_and_shows_as_not_ready() {
    let options = Options { restarts: 0, ..options(1, 8) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let make = || |_: &u32| -> u32 { panic!("always") };
    let pool = Pool::start(options, Arc::clone(&clock), &Scope::nowhere(), make, drop).unwrap();
    let health = Health::new(clock);
    let (runtime, tasks, shutdown) = supervised(&pool, &health);
    pool.try_submit(1).unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, shutdown.begun()).await.unwrap() });
    let outcome = runtime.block_on(tasks.join(PATIENCE));
    assert_eq!(outcome.failed[0].task, "compute-supervisor");
    assert!(health.readiness().waiting["test"]["compute"].contains("more than 0 restarts"));
}
