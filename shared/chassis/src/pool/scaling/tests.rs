use proptest::prelude::*;

use super::*;

const SCALING: Scaling = Scaling {
    workers_min: 1,
    workers_max: 4,
    grow_after: Duration::from_millis(100),
    shrink_after: Duration::from_secs(60),
};

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The load of a pool of healthy workers that has this number of jobs.
fn load_of(jobs: usize, target: usize) -> Load {
    Load { queued: jobs.saturating_sub(target), busy: jobs.min(target), ..Load::default() }
}

/// A rule that has grown to this number of workers, and the time.
fn grown_to(target: usize) -> (Scaler, Duration) {
    let mut scaler = Scaler::new(SCALING);
    let mut now = Duration::ZERO;
    while scaler.target() < target {
        scaler.observe(now, load_of(100, scaler.target()));
        now += SCALING.grow_after;
        assert_eq!(scaler.step(now), Some(Direction::Up));
    }
    (scaler, now)
}

#[test]
fn backlog_adds_a_worker_per_interval_up_to_the_maximum() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), load_of(10, 1));
    scaler.observe(at(50), load_of(9, 1));
    assert_eq!((scaler.next_due(at(50)), scaler.step(at(99))), (Some(at(50)), None));
    assert_eq!((scaler.step(at(100)), scaler.step(at(199))), (Some(Direction::Up), None));
    assert_eq!((scaler.step(at(200)), scaler.step(at(300))), (Some(Direction::Up), Some(Direction::Up)));
    assert_eq!((scaler.target(), scaler.step(at(1_000)), scaler.next_due(at(1_000))), (4, None, None));
}

#[test]
fn single_waiting_job_is_enough_and_none_ends_the_wait() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), load_of(1, 1));
    assert_eq!(scaler.next_due(at(0)), None, "no job waits");
    scaler.observe(at(10), load_of(2, 1));
    scaler.observe(at(20), load_of(3, 1));
    assert_eq!(scaler.next_due(at(20)), Some(at(90)));
    scaler.observe(at(30), load_of(1, 1));
    scaler.observe(at(40), load_of(2, 1));
    assert_eq!(scaler.next_due(at(40)), Some(at(100)));
    assert_eq!(scaler.step(at(140)), Some(Direction::Up));
}

#[test]
fn superfluous_worker_is_removed_after_the_idle_time() {
    let (mut scaler, now) = grown_to(3);
    scaler.observe(now, load_of(3, 3));
    // All workers have a job for a minute, without any change.
    let busy_until = now + at(60_000);
    assert_eq!(scaler.step(busy_until), None);
    scaler.observe(busy_until, load_of(1, 3));
    assert_eq!(scaler.step(busy_until + at(59_999)), None);
    assert_eq!(scaler.step(busy_until + at(60_000)), Some(Direction::Down));
    assert_eq!(scaler.next_due(busy_until + at(60_000)), Some(at(60_000)));
    assert_eq!(scaler.step(busy_until + at(120_000)), Some(Direction::Down));
    assert_eq!((scaler.target(), scaler.next_due(busy_until + at(120_000))), (1, None));
}

#[test]
fn burst_that_needs_every_worker_restarts_the_idle_time() {
    let (mut scaler, now) = grown_to(2);
    scaler.observe(now, load_of(0, 2));
    scaler.observe(now + at(59_000), load_of(2, 2));
    scaler.observe(now + at(59_001), load_of(0, 2));
    assert_eq!(scaler.next_due(now + at(59_001)), Some(at(60_000)));
}

#[test]
fn pool_does_not_grow_while_a_failed_worker_is_replaced() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), Load { queued: 10, failed: 1, ..Load::default() });
    assert_eq!(scaler.step(at(10_000)), None);
    scaler.observe(at(10_000), load_of(10, 1));
    assert_eq!(scaler.step(at(10_100)), Some(Direction::Up));
}

#[test]
fn growth_without_a_thread_is_tried_again_after_the_idle_time() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), load_of(10, 1));
    assert_eq!(scaler.step(at(100)), Some(Direction::Up));
    scaler.undo_growth(at(100));
    assert_eq!((scaler.target(), scaler.next_due(at(100))), (1, Some(at(60_000))));
    assert_eq!(scaler.step(at(60_100)), Some(Direction::Up));
}

/// The load of a caller that holds jobs.
fn holding(held: usize, busy: usize) -> Load {
    Load { held, busy, ..Load::default() }
}

#[test]
fn held_jobs_add_no_worker_while_one_is_idle() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), holding(5, 0));
    assert_eq!((scaler.step(at(10_000)), scaler.next_due(at(10_000))), (None, None));
    // A worker that is busy for a moment, each 100 ms, is no lack of workers.
    for pause in 0..10 {
        let start = at(10_000 + 101 * pause);
        scaler.observe(start, holding(5, 1));
        assert_eq!(scaler.step(start), None);
        scaler.observe(start + at(1), holding(5, 0));
        assert_eq!((scaler.step(start + at(100)), scaler.next_due(start + at(100))), (None, None));
    }
}

#[test]
fn held_jobs_that_lack_a_worker_add_one_despite_pauses() {
    let mut scaler = Scaler::new(SCALING);
    scaler.observe(at(0), holding(5, 1));
    // The worker ends its job, and gets the next one from the caller.
    scaler.observe(at(60), holding(5, 0));
    assert_eq!(scaler.next_due(at(60)), None, "no step while a worker is idle");
    scaler.observe(at(70), holding(4, 1));
    assert_eq!(scaler.next_due(at(70)), Some(at(30)));
    assert_eq!(scaler.step(at(100)), Some(Direction::Up));
    // The added worker waits for the caller. The next one is added only when it has a job.
    assert_eq!(scaler.step(at(140)), None);
    scaler.observe(at(150), holding(3, 2));
    assert_eq!(scaler.step(at(200)), Some(Direction::Up));
}

#[test]
fn held_jobs_keep_no_idle_worker() {
    let (mut scaler, now) = grown_to(2);
    scaler.observe(now, holding(5, 1));
    assert_eq!(scaler.step(now + at(60_000)), Some(Direction::Down));
}

fn any_scaling() -> impl Strategy<Value = Scaling> {
    (1..6_usize, 0..8_usize, 1..300_u64, 0..5_000_u64).prop_map(|(min, more, grow, idle)| Scaling {
        workers_min: min,
        workers_max: min + more,
        grow_after: at(grow),
        shrink_after: at(grow + idle),
    })
}

/// A change of the load: the time since the last one, the jobs at the pool, those that the caller holds, and whether a worker has failed.
type Change = (u64, usize, usize, bool);

fn any_loads() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0..4_000_u64, 0..20_usize, 0..3_usize, prop::bool::weighted(0.1)), 0..60)
}

fn load((_, jobs, held, fails): Change, target: usize) -> Load {
    let failed = usize::from(fails);
    Load { held, failed, ..load_of(jobs, target - failed) }
}

proptest! {
    #[test]
    fn steps_keep_the_bounds_and_their_distance(scaling in any_scaling(), loads in any_loads()) {
        let mut scaler = Scaler::new(scaling);
        let mut now = Duration::ZERO;
        let mut last = None;
        for change in loads {
            now += at(change.0);
            let (before, is_any_idle) = (scaler.target(), scaler.load.busy < scaler.target());
            if let Some(direction) = scaler.step(now) {
                let (expected, distance) = match direction {
                    Direction::Up => (before + 1, scaling.grow_after),
                    Direction::Down => (before - 1, scaling.shrink_after),
                };
                prop_assert_eq!(scaler.target(), expected);
                prop_assert_eq!(is_any_idle, direction == Direction::Down);
                prop_assert!(last.is_none_or(|last| now - last >= distance), "{:?} at {:?}", direction, now);
                last = Some(now);
            }
            prop_assert!((scaling.workers_min..=scaling.workers_max).contains(&scaler.target()));
            scaler.observe(now, load(change, scaler.target()));
        }
    }

    #[test]
    fn constant_load_reaches_a_fixed_size(
        (scaling, loads, jobs) in (any_scaling(), any_loads(), 0..20_usize),
    ) {
        let mut scaler = Scaler::new(scaling);
        let mut now = Duration::ZERO;
        for change in loads {
            now += at(change.0);
            scaler.step(now);
            scaler.observe(now, load(change, scaler.target()));
        }
        let mut directions = Vec::new();
        scaler.observe(now, load_of(jobs, scaler.target()));
        while let Some(due) = scaler.next_due(now) {
            now += due;
            directions.extend(scaler.step(now));
            scaler.observe(now, load_of(jobs, scaler.target()));
            prop_assert!(directions.len() <= scaling.workers_max - scaling.workers_min, "{:?}", directions);
        }
        prop_assert!(directions.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", directions);
        prop_assert_eq!(scaler.target(), jobs.clamp(scaling.workers_min, scaling.workers_max));
    }
}
