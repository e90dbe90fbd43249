//! Tests of the supervisor's wake-ups: its next regular check is an hour away.

use super::*;

/// A pool of up to two workers with a supervisor that sleeps. Its jobs run until the gate is dropped.
struct Asleep {
    pool: Pool<u32, u32>,
    /// Receives the start of each worker and of each job.
    started: Receiver<()>,
    gate: SyncSender<()>,
    tasks: (tokio::runtime::Runtime, Tasks),
}

impl Asleep {
    fn new() -> Self {
        let (start, started) = sync_channel(64);
        let (gate, closed) = sync_channel::<()>(0);
        let closed = Arc::new(Mutex::new(closed));
        let make = move || {
            let (start, closed) = (start.clone(), Arc::clone(&closed));
            start.send(()).unwrap();
            move |job: &u32| {
                start.send(()).unwrap();
                let _dropped = locked(&closed).recv();
                *job
            }
        };
        let mut options = options(1, 8);
        options.scaling.workers_max = 2;
        options.scaling.grow_after = Duration::from_millis(1);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let pool = Pool::start(options, Arc::clone(&clock), &Scope::nowhere(), make, drop).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks::new("test", runtime.handle().clone(), Shutdown::new(), &Scope::nowhere());
        let supervisor = pool.supervisor_of(&Health::new(clock).service("test"), Duration::from_secs(3_600));
        tasks.thread("compute-supervisor", EndPolicy::MayEnd, supervisor);
        // It plans the check and falls asleep under one lock.
        wait_until(|| locked(&pool.shared.state).next_check.is_some());
        let asleep = Self { pool, started, gate, tasks: (runtime, tasks) };
        asleep.next_started();
        asleep.pool.try_submit(1).unwrap();
        asleep.next_started();
        asleep
    }

    fn next_started(&self) {
        self.started.recv_timeout(TIMEOUT).expect("a worker or a job starts");
    }

    fn end(self) {
        drop(self.gate);
        self.pool.close();
        let (runtime, tasks) = self.tasks;
        assert!(runtime.block_on(tasks.join(TIMEOUT)).failed.is_empty());
    }
}

#[test]
fn queued_job_wakes_the_supervisor_for_a_step() {
    let asleep = Asleep::new();
    asleep.pool.try_submit(2).unwrap();
    asleep.next_started();
    asleep.next_started();
    assert_eq!((asleep.pool.target_workers(), asleep.pool.busy()), (2, 2));
    asleep.end();
}

#[test]
fn held_job_wakes_the_supervisor_for_a_step() {
    let asleep = Asleep::new();
    asleep.pool.set_held_jobs(1);
    asleep.next_started();
    assert_eq!(asleep.pool.target_workers(), 2);
    asleep.end();
}

#[test]
fn supervisor_is_woken_only_for_a_step_before_its_check() {
    let options = Options::new("compute", 1..=2, 8);
    let (state, now) = (&mut State::<u32>::new(&options), Duration::from_secs(100));
    let (soon, period) = (Duration::from_millis(50), Duration::from_secs(1));
    assert_eq!(state.plan_check(now, soon), soon);
    assert!(!state.submit(1, now) && !state.submit(2, now), "the check comes before the step");
    assert_eq!(state.plan_check(now + soon, period), soon, "now the step comes first");
    assert!(!state.submit(3, now + soon), "it is planned");
    state.jobs.clear();
    assert!(!state.hold(0, now + soon));
    state.plan_check(now + soon, period);
    assert!(!state.hold(1, now + soon), "an idle worker can take it");
    assert!(state.submit(4, now + soon) && state.hold(2, now + soon));
}
