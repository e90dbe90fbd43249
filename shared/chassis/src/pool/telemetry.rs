//! Metrics of a pool.

use kit::SaturatingFrom;
use metrics::{Counter, Gauge};

use crate::pool::options::Options;
use crate::pool::scaling::Direction;
use crate::pool::state::State;
use crate::telemetry::catalogue::{self, Metric};
use crate::telemetry::handles::Scope;

pub const JOBS: Metric =
    Metric::counter("chassis_pool_finished_jobs_total", "jobs", "Finished jobs of a pool by outcome.")
        .labelled(&[("pool", catalogue::NAMES), ("outcome", &["done", "panicked", "stuck"])]);

pub const RESTARTS: Metric = Metric::counter(
    "chassis_pool_restarted_workers_total",
    "workers",
    "Workers of a pool that were replaced after a panic or an exceeded job deadline.",
)
.labelled(&[("pool", catalogue::NAMES)]);

pub const QUEUE: Metric = Metric::gauge("chassis_pool_queued_jobs", "jobs", "Jobs in the queue of a pool.")
    .labelled(&[("pool", catalogue::NAMES)]);

pub const QUEUE_CAPACITY: Metric =
    Metric::gauge("chassis_pool_queue_capacity_jobs", "jobs", "Capacity of the queue of a pool.")
        .labelled(&[("pool", catalogue::NAMES)]);

pub const WORKERS: Metric =
    Metric::gauge("chassis_pool_workers", "workers", "Workers of a pool that have a job or wait for one.")
        .labelled(&[("pool", catalogue::NAMES)]);

pub const TARGET_WORKERS: Metric = Metric::gauge(
    "chassis_pool_target_workers",
    "workers",
    "Workers that a pool should have: it has fewer while failed ones are replaced, more while removed ones have their last job.",
)
.labelled(&[("pool", catalogue::NAMES)]);

pub const SCALE_STEPS: Metric = Metric::counter(
    "chassis_pool_scale_steps_total",
    "steps",
    "Changes of the number of workers of a pool by one, by direction.",
)
.labelled(&[("pool", catalogue::NAMES), ("direction", &["up", "down"])]);

pub(crate) struct Telemetry {
    pub(crate) done: Counter,
    pub(crate) panicked: Counter,
    pub(crate) stuck: Counter,
    pub(crate) restarts: Counter,
    queue: Gauge,
    workers: Gauge,
    target: Gauge,
    up: Counter,
    down: Counter,
}

// === impl Telemetry ===

impl Telemetry {
    pub(crate) fn new(scope: &Scope, options: &Options) -> Self {
        let pool = ("pool", options.name);
        let jobs = |outcome| scope.counter(&JOBS, &[pool, ("outcome", outcome)]);
        let steps =
            |direction: Direction| scope.counter(&SCALE_STEPS, &[pool, ("direction", direction.as_str())]);
        scope.gauge(&QUEUE_CAPACITY, &[pool]).set(gauge_of(options.queue_jobs));
        Self {
            done: jobs("done"),
            panicked: jobs("panicked"),
            stuck: jobs("stuck"),
            restarts: scope.counter(&RESTARTS, &[pool]),
            queue: scope.gauge(&QUEUE, &[pool]),
            workers: scope.gauge(&WORKERS, &[pool]),
            target: scope.gauge(&TARGET_WORKERS, &[pool]),
            up: steps(Direction::Up),
            down: steps(Direction::Down),
        }
    }

    pub(crate) fn queued(&self, jobs: usize) {
        self.queue.set(gauge_of(jobs));
    }

    pub(crate) fn workers<J>(&self, state: &State<J>) {
        self.workers.set(gauge_of(state.workers()));
        self.target.set(gauge_of(state.target()));
    }

    pub(crate) fn step(&self, direction: Direction) {
        match direction {
            Direction::Up => self.up.increment(1),
            Direction::Down => self.down.increment(1),
        }
    }
}

/// Numbers of jobs are far below the 2^32 up to which the conversion is exact.
fn gauge_of(count: usize) -> f64 {
    f64::from(u32::saturating_from(count))
}
