//! Metrics of a process: start time, memory and file descriptors with their limits, components that are not ready, drain time and its budget.

use std::time::Duration;

use metrics::Gauge;

use crate::clock::Clock;
use crate::descriptors;
use crate::health::Health;
use crate::memory;
use crate::shutdown::Shutdown;
use crate::telemetry::catalogue::Metric;
use crate::telemetry::handles::Scope;

pub const STARTED: Metric = Metric::gauge(
    "chassis_process_start_seconds",
    "seconds",
    "Start time of the process, in seconds since 1970.",
);

pub const MEMORY: Metric = Metric::gauge(
    "chassis_process_memory_bytes",
    "bytes",
    "Resident anonymous memory of the process, which the kernel can't reclaim.",
);

pub const MEMORY_LIMIT: Metric = Metric::gauge(
    "chassis_process_memory_limit_bytes",
    "bytes",
    "Memory limit of the container; 0 without a limit.",
);

pub const UNREADY: Metric =
    Metric::gauge("chassis_unready_components", "components", "Components that are not ready.");

pub const DRAIN: Metric =
    Metric::gauge("chassis_drain_elapsed_seconds", "seconds", "Time since the drain began; 0 before.");

pub const DRAIN_BUDGET: Metric =
    Metric::gauge("chassis_drain_budget_seconds", "seconds", "Maximum duration of the drain.");

pub const OPEN_FDS: Metric =
    Metric::gauge("chassis_process_open_fds", "fds", "Open file descriptors of the process.");

pub const FDS_MAX: Metric = Metric::gauge(
    "chassis_process_max_fds",
    "fds",
    "Maximum number of open file descriptors, the soft limit; absent without a limit.",
);

pub const METRICS: [Metric; 8] =
    [STARTED, MEMORY, MEMORY_LIMIT, UNREADY, DRAIN, DRAIN_BUDGET, OPEN_FDS, FDS_MAX];

/// The changing gauges and the sources of their values.
#[derive(Debug)]
pub struct ProcessGauges {
    health: Health,
    shutdown: Shutdown,
    memory: Gauge,
    unready: Gauge,
    drain: Gauge,
    /// `None` if the system does not report them.
    open_fds: Option<Gauge>,
    /// `None` without a limit.
    fds_max: Option<Gauge>,
}

// === impl ProcessGauges ===

impl ProcessGauges {
    /// Registers the gauges and sets the constant ones.
    #[must_use]
    pub fn new(
        scope: &Scope,
        health: Health,
        shutdown: Shutdown,
        clock: &dyn Clock,
        drain_budget: Duration,
    ) -> Self {
        scope
            .gauge(&STARTED, &[])
            .set(Duration::from_micros(clock.wall_micros().unsigned_abs()).as_secs_f64());
        scope.gauge(&MEMORY_LIMIT, &[]).set(approximately(memory::limit_bytes().unwrap_or(0)));
        scope.gauge(&DRAIN_BUDGET, &[]).set(drain_budget.as_secs_f64());
        let memory = scope.gauge(&MEMORY, &[]);
        Self {
            health,
            shutdown,
            memory,
            unready: scope.gauge(&UNREADY, &[]),
            drain: scope.gauge(&DRAIN, &[]),
            open_fds: descriptors::open().map(|_| scope.gauge(&OPEN_FDS, &[])),
            fds_max: descriptors::limit().map(|_| scope.gauge(&FDS_MAX, &[])),
        }
    }

    /// Updates the gauges.
    pub fn refresh(&self) {
        if let Some(bytes) = memory::used_bytes() {
            self.memory.set(approximately(bytes));
        }
        if let (Some(gauge), Some(open)) = (&self.open_fds, descriptors::open()) {
            gauge.set(approximately(open));
        }
        // Not constant: the limit is raised at start if the configuration needs it.
        if let (Some(gauge), Some(limit)) = (&self.fds_max, descriptors::limit()) {
            gauge.set(approximately(limit));
        }
        let unready: usize = self.health.readiness().waiting.values().map(|waiting| waiting.len()).sum();
        self.unready.set(approximately(unready as u64));
        self.drain.set(self.shutdown.begun_for().unwrap_or_default().as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge: exact up to 2^53")]
fn approximately(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::shutdown::Cause;
    use crate::telemetry::{Catalogue, Metrics};

    #[test]
    fn process_gauges_are_updated_by_each_scrape() {
        let metrics = Metrics::new(&Catalogue::new().with(&METRICS)).unwrap();
        let (clock, shutdown) = (Arc::new(ManualClock::at(1_700_000_000_000_000)), Shutdown::new());
        let health = Health::new(clock.clone());
        let latch = health.service("feature").component("bars");
        let gauges = ProcessGauges::new(
            &metrics.process_scope(),
            health,
            shutdown.clone(),
            &*clock,
            Duration::from_secs(20),
        );
        metrics.before_each_scrape(move || gauges.refresh());
        let value = |name: &str| -> f64 {
            let scrape = metrics.render();
            let line = scrape.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is missing in\n{scrape}")).parse().unwrap()
        };
        assert_eq!(value(STARTED.name), 1_700_000_000.0);
        assert_eq!((value(UNREADY.name), value(DRAIN.name), value(DRAIN_BUDGET.name)), (1.0, 0.0, 20.0));
        assert!(value(MEMORY.name) > 0.0);
        assert!(value(OPEN_FDS.name) > 2.0 && value(OPEN_FDS.name) <= value(FDS_MAX.name));
        latch.ready();
        shutdown.begin(Cause::Requested);
        assert_eq!(value(UNREADY.name), 0.0);
        assert!(value(DRAIN.name) > 0.0);
        let known = Catalogue::new().with(&METRICS);
        assert_eq!((known.violations(), known.undeclared(&metrics.render())), (vec![], vec![]));
    }
}
