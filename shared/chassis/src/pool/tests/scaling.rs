//! Tests of growing and shrinking, on a manual clock.

use super::*;
use crate::telemetry::Metric;

/// A pool whose jobs run until the test ends them, one by one.
struct Bench {
    pool: Pool<u32, u32>,
    clock: Arc<ManualClock>,
    outcomes: Outcomes,
    started: Receiver<u32>,
    release: SyncSender<()>,
    /// Receives the end of each worker.
    ended: Receiver<()>,
    metrics: Metrics,
}

/// Sends when its worker ends.
struct Ends(SyncSender<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        // At the end of a test no one receives it.
        let _sent = self.0.send(());
    }
}

impl Bench {
    fn new(workers: std::ops::RangeInclusive<usize>) -> Self {
        let (started, at_work) = sync_channel(64);
        let (release, wait) = sync_channel::<()>(64);
        let (ends, ended) = sync_channel(64);
        let wait = Arc::new(Mutex::new(wait));
        let make = move || {
            let (started, wait, ends) = (started.clone(), Arc::clone(&wait), Ends(ends.clone()));
            move |job: &u32| {
                let _worker = &ends;
                started.send(*job).unwrap();
                // At the end of a test no one sends it.
                let _ended = locked(&wait).recv();
                job * 2
            }
        };
        let clock = Arc::new(ManualClock::at(0));
        let (report, outcomes) = sync_channel(64);
        let report = move |outcome| drop(report.send(outcome));
        let options =
            Options { job_deadline: Duration::from_secs(3_600), ..Options::new("compute", workers, 64) };
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
        let pool = Pool::start(options, clock.clone(), &metrics.scope("test"), make, report).unwrap();
        Self { pool, clock, outcomes, started: at_work, release, ended, metrics }
    }

    fn submit(&self, job: u32) {
        self.pool.try_submit(job).unwrap();
    }

    /// Waits until a worker has taken a job.
    fn next_started(&self) {
        self.started.recv_timeout(TIMEOUT).unwrap();
    }

    fn end_one(&self) {
        self.release.send(()).unwrap();
        assert!(matches!(next(&self.outcomes), Outcome::Done { job, result } if result == *job * 2));
    }

    /// Advances the clock, lets the pool take a step, and returns the number of workers that it should have.
    fn target_after(&self, millis: u64) -> usize {
        self.clock.advance(Duration::from_millis(millis));
        self.pool.check().unwrap();
        self.pool.target_workers()
    }

    /// Returns a pool of this size, each of whose workers has a job.
    fn grown_to(workers: usize) -> Self {
        let bench = Self::new(1..=workers);
        for job in 0..=u32::try_from(workers).unwrap() {
            bench.submit(job);
        }
        bench.next_started();
        for size in 2..=workers {
            assert_eq!(bench.target_after(100), size);
            bench.next_started();
        }
        bench.end_one();
        bench.next_started();
        bench
    }

    fn sample(&self, metric: &Metric, labels: &str) -> String {
        sample(&self.metrics, metric.name, labels)
    }
}

#[test]
fn pool_grows_under_a_queue_up_to_its_maximum() {
    let bench = Bench::new(1..=3);
    for job in 0..6 {
        bench.submit(job);
    }
    bench.next_started();
    assert_eq!((bench.target_after(99), bench.pool.busy()), (1, 1));
    assert_eq!(bench.target_after(1), 2);
    bench.next_started();
    assert_eq!(bench.target_after(100), 3);
    bench.next_started();
    assert_eq!((bench.target_after(1_000), bench.pool.busy(), bench.pool.queued()), (3, 3, 3));
    assert_eq!((bench.sample(&WORKERS, ""), bench.sample(&TARGET_WORKERS, "")), ("3".into(), "3".into()));
    assert_eq!(bench.sample(&SCALE_STEPS, ",direction=\"up\""), "2");
}

#[test]
fn single_job_after_one_that_hangs_adds_a_worker() {
    let bench = Bench::new(1..=8);
    bench.submit(0);
    bench.next_started();
    bench.submit(1);
    assert_eq!((bench.target_after(99), bench.target_after(1)), (1, 2));
    // The job starts although the first one has not ended.
    bench.next_started();
    assert_eq!((bench.pool.busy(), bench.target_after(1_000)), (2, 2));
}

#[test]
fn pool_grows_for_jobs_that_the_caller_holds() {
    let bench = Bench::new(1..=3);
    bench.submit(0);
    bench.next_started();
    bench.pool.set_held_jobs(2);
    assert_eq!((bench.target_after(99), bench.target_after(1)), (1, 2));
    bench.pool.set_held_jobs(0);
    assert_eq!(bench.target_after(1_000), 2);
}

#[test]
fn held_jobs_do_not_change_a_pool_of_idle_workers() {
    let bench = Bench::new(1..=3);
    bench.pool.set_held_jobs(5);
    assert_eq!(bench.target_after(10_000), 1);
    let bench = Bench::grown_to(3);
    for _ in 0..3 {
        bench.end_one();
    }
    bench.pool.set_held_jobs(5);
    assert_eq!((bench.target_after(60_000), bench.target_after(60_000)), (2, 1));
}

#[test]
fn idle_pool_shrinks_to_its_minimum_one_worker_at_a_time() {
    let bench = Bench::grown_to(3);
    for _ in 0..3 {
        bench.end_one();
    }
    assert_eq!(bench.target_after(59_999), 3);
    for workers in [2, 1] {
        assert_eq!(bench.target_after(if workers == 2 { 1 } else { 60_000 }), workers);
        bench.ended.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(bench.pool.workers(), workers);
    }
    assert_eq!(bench.target_after(600_000), 1);
    // The remaining worker still works, and the pool grows again.
    for job in 0..4 {
        bench.submit(job);
    }
    bench.next_started();
    assert_eq!(bench.target_after(100), 2);
    bench.next_started();
}

#[test]
fn pool_keeps_its_size_under_a_constant_load() {
    let bench = Bench::grown_to(3);
    for job in 0..100 {
        bench.end_one();
        bench.submit(job);
        bench.next_started();
        assert_eq!(bench.target_after(10_000), 3, "after job {job}");
    }
}

#[test]
fn shrink_ends_the_idle_worker_and_not_the_busy_one() {
    let bench = Bench::grown_to(2);
    bench.end_one();
    assert_eq!(bench.target_after(60_000), 1);
    bench.ended.recv_timeout(TIMEOUT).unwrap();
    assert_eq!((bench.pool.workers(), bench.pool.busy()), (1, 1));
    // A stuck job would have been replaced; this one ends with its result.
    bench.end_one();
    bench.submit(7);
    bench.next_started();
    bench.end_one();
}

#[test]
fn removed_worker_takes_no_further_job() {
    let options = Options::new("compute", 1..=2, 8);
    let (state, now) = (&mut State::<u32>::new(&options), Duration::from_secs(100));
    for job in 0..4 {
        state.submit(job, now);
    }
    assert!(state.take(0, now).is_some());
    let grown = state.scale(now + Duration::from_millis(100)).unwrap();
    assert_eq!(grown.start, Some((1, 0)));
    assert!(state.take(1, now).is_some() && !state.remove(1), "both workers are needed");
    while state.jobs.pop_front().is_some() {}
    // Worker 0 ends its job, and is idle. Then the pool shrinks, and worker 1 ends its job first.
    assert!(state.finish(0, 0, now));
    let later = now + Duration::from_secs(61);
    assert_eq!(state.scale(later).unwrap().direction, Direction::Down);
    assert!(state.finish(1, 0, later), "its result counts");
    assert!(state.remove(1) && !state.remove(0), "one worker stays");
    assert_eq!((state.workers(), state.target()), (1, 1));
}

#[test]
fn failed_worker_of_a_shrinking_pool_is_not_replaced() {
    let options = Options::new("compute", 1..=2, 8);
    let (state, now) = (&mut State::<u32>::new(&options), Duration::from_secs(100));
    for job in 0..4 {
        state.submit(job, now);
    }
    state.take(0, now);
    state.scale(now + Duration::from_millis(100)).unwrap();
    state.jobs.clear();
    assert!(state.vacate(1, 0, now + Duration::from_millis(100)));
    let later = now + Duration::from_secs(61);
    assert_eq!(state.scale(later).unwrap().direction, Direction::Down);
    assert_eq!(state.fill_one(later + Duration::from_secs(60), &options), Ok(None));
    assert_eq!((state.workers(), state.busy()), (1, 1));
}
