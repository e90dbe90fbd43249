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
    Load { waiting: jobs.saturating_sub(target), busy: jobs.min(target), failed: 0 }
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
    assert!(scaler.observe(at(0), load_of(10, 1)), "the wait starts");
    assert!(!scaler.observe(at(50), load_of(9, 1)), "it has started");
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
    assert!(scaler.observe(at(10), load_of(2, 1)), "the wait starts");
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
    scaler.observe(at(0), Load { waiting: 10, busy: 0, failed: 1 });
    assert_eq!(scaler.step(at(10_000)), None);
    scaler.observe(at(10_000), Load { waiting: 9, busy: 1, failed: 0 });
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

fn any_scaling() -> impl Strategy<Value = Scaling> {
    (1..6_usize, 0..8_usize, 1..300_u64, 0..5_000_u64).prop_map(|(min, more, grow, idle)| Scaling {
        workers_min: min,
        workers_max: min + more,
        grow_after: at(grow),
        shrink_after: at(grow + idle),
    })
}

/// Changes of the load: the time since the last one, the number of jobs, and whether a worker has failed.
fn any_loads() -> impl Strategy<Value = Vec<(u64, usize, bool)>> {
    prop::collection::vec((0..4_000_u64, 0..20_usize, prop::bool::weighted(0.1)), 0..60)
}

fn load(jobs: usize, target: usize, fails: bool) -> Load {
    let failed = usize::from(fails);
    Load { failed, ..load_of(jobs, target - failed) }
}

proptest! {
    #[test]
    fn steps_keep_the_bounds_and_their_distance(scaling in any_scaling(), loads in any_loads()) {
        let mut scaler = Scaler::new(scaling);
        let mut now = Duration::ZERO;
        let mut last = None;
        for (after, jobs, fails) in loads {
            now += at(after);
            let before = scaler.target();
            if let Some(direction) = scaler.step(now) {
                let (expected, distance) = match direction {
                    Direction::Up => (before + 1, scaling.grow_after),
                    Direction::Down => (before - 1, scaling.shrink_after),
                };
                prop_assert_eq!(scaler.target(), expected);
                prop_assert!(last.is_none_or(|last| now - last >= distance), "{:?} at {:?}", direction, now);
                last = Some(now);
            }
            prop_assert!((scaling.workers_min..=scaling.workers_max).contains(&scaler.target()));
            scaler.observe(now, load(jobs, scaler.target(), fails));
        }
    }

    #[test]
    fn constant_load_reaches_a_fixed_size(
        (scaling, loads, jobs) in (any_scaling(), any_loads(), 0..20_usize),
    ) {
        let mut scaler = Scaler::new(scaling);
        let mut now = Duration::ZERO;
        for (after, jobs, fails) in loads {
            now += at(after);
            scaler.step(now);
            scaler.observe(now, load(jobs, scaler.target(), fails));
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
