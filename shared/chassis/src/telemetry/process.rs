//! What a process says of itself as a whole: since when it runs, its memory beside its limit, what isn't ready, how far its drain is.

use std::time::Duration;

use metrics::Gauge;

use crate::clock::Clock;
use crate::health::Health;
use crate::memory;
use crate::shutdown::Shutdown;
use crate::telemetry::catalogue::{Kind, Metric};
use crate::telemetry::handles::Scope;

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels: &[], help }
}

/// When the process began.
pub const STARTED: Metric =
    gauge("chassis_process_start_seconds", "seconds", "When the process began, in seconds since 1970.");

/// Memory that it uses.
pub const MEMORY: Metric = gauge(
    "chassis_process_memory_bytes",
    "bytes",
    "Resident memory of the process that the kernel can't take back.",
);

/// Memory that it may use.
pub const MEMORY_LIMIT: Metric =
    gauge("chassis_process_memory_limit_bytes", "bytes", "The container's memory limit; 0 when it has none.");

/// What isn't ready.
pub const UNREADY: Metric =
    gauge("chassis_unready_components", "components", "Components that keep the process from being ready.");

/// How long the drain lasts.
pub const DRAIN: Metric =
    gauge("chassis_drain_elapsed_seconds", "seconds", "How long the process has been draining; 0 before.");

/// How long the drain may last.
pub const DRAIN_BUDGET: Metric =
    gauge("chassis_drain_budget_seconds", "seconds", "How long the process may drain.");

/// The catalogue of this file.
pub const METRICS: [Metric; 6] = [STARTED, MEMORY, MEMORY_LIMIT, UNREADY, DRAIN, DRAIN_BUDGET];

/// The gauges that change, and where their values come from.
#[derive(Debug)]
pub struct ProcessGauges {
    health: Health,
    shutdown: Shutdown,
    memory: Gauge,
    unready: Gauge,
    drain: Gauge,
}

// === impl ProcessGauges ===

impl ProcessGauges {
    /// Registers them, and sets those that never change.
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
        }
    }

    /// Reads their values anew.
    pub fn look(&self) {
        if let Some(bytes) = memory::used_bytes() {
            self.memory.set(approximately(bytes));
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
    fn each_scrape_says_how_the_process_stands_now() {
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
        metrics.before_each_scrape(move || gauges.look());
        let value = |name: &str| -> f64 {
            let scrape = metrics.render();
            let line = scrape.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is missing in\n{scrape}")).parse().unwrap()
        };
        assert_eq!(value(STARTED.name), 1_700_000_000.0);
        assert_eq!((value(UNREADY.name), value(DRAIN.name), value(DRAIN_BUDGET.name)), (1.0, 0.0, 20.0));
        assert!(value(MEMORY.name) > 0.0);
        latch.ready();
        shutdown.begin(Cause::Asked);
        assert_eq!(value(UNREADY.name), 0.0);
        assert!(value(DRAIN.name) > 0.0);
        let known = Catalogue::new().with(&METRICS);
        assert_eq!((known.faults(), known.strangers(&metrics.render())), (vec![], vec![]));
    }
}
