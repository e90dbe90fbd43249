//! Metrics of a pool.

use kit::SaturatingFrom;
use metrics::{Counter, Gauge};

use crate::pool::options::Options;
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

pub(crate) struct Telemetry {
    pub(crate) done: Counter,
    pub(crate) panicked: Counter,
    pub(crate) stuck: Counter,
    pub(crate) restarts: Counter,
    queue: Gauge,
}

// === impl Telemetry ===

impl Telemetry {
    pub(crate) fn new(scope: &Scope, options: &Options) -> Self {
        let pool = ("pool", options.name);
        let jobs = |outcome| scope.counter(&JOBS, &[pool, ("outcome", outcome)]);
        scope.gauge(&QUEUE_CAPACITY, &[pool]).set(gauge_of(options.queue_jobs));
        Self {
            done: jobs("done"),
            panicked: jobs("panicked"),
            stuck: jobs("stuck"),
            restarts: scope.counter(&RESTARTS, &[pool]),
            queue: scope.gauge(&QUEUE, &[pool]),
        }
    }

    pub(crate) fn queued(&self, jobs: usize) {
        self.queue.set(gauge_of(jobs));
    }
}

/// Numbers of jobs are far below the 2^32 up to which the conversion is exact.
fn gauge_of(count: usize) -> f64 {
    f64::from(u32::saturating_from(count))
}
