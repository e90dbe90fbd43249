//! Readiness and liveness of a process: latches and heartbeats that the admin server reads.
//!
//! A component is not ready until it sets its latch. A heartbeat has a deadline. A loop extends it by [`Heartbeat::allow`] before a
//! bounded blocking call. A loop that has ended has no heartbeat: [`crate::tasks`] reports its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::SaturatingFrom;
use serde::Serialize;

use crate::clock::Clock;
use crate::lock::locked;

/// The health of all services of the process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    clock: Arc<dyn Clock>,
    services: Arc<Mutex<BTreeMap<&'static str, ServiceState>>>,
}

/// The health of one service, with which it registers its components and loops.
#[derive(Debug, Clone)]
pub struct ServiceHealth {
    health: Health,
    service: &'static str,
}

/// The readiness of one component.
#[derive(Debug, Clone)]
pub struct Latch {
    service: ServiceHealth,
    component: String,
}

/// The heartbeat of one loop. To be dropped when the loop ends.
#[derive(Debug)]
pub struct Heartbeat {
    alive_until_ms: Arc<AtomicU64>,
    deadline: Duration,
    health: Health,
}

/// The response of `/ready`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `true` if every component of every service is ready.
    pub ready: bool,
    /// The reason of each component that is not ready, by service and component.
    pub waiting: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// The missing parts of each degraded component, by service and component. They do not affect readiness.
    pub degraded: BTreeMap<&'static str, BTreeMap<String, String>>,
}

/// The response of `/live`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// `true` if every heartbeat is within its deadline.
    pub live: bool,
    /// The loops whose heartbeat is late.
    pub late: Vec<Late>,
}

/// A loop whose heartbeat exceeded its deadline.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    pub service: &'static str,
    /// The name of the loop.
    pub stage: String,
    /// The time since the deadline, milliseconds.
    pub late_by_ms: u64,
}

#[derive(Debug, Default)]
struct ServiceState {
    /// The reason of each component that is not ready. `None` if it is ready.
    components: BTreeMap<String, Option<String>>,
    /// The missing data or service of each degraded component, by the part of the component that reports it.
    degraded: BTreeMap<String, BTreeMap<&'static str, String>>,
    heartbeats: Vec<(String, Arc<AtomicU64>)>,
}

/// Marks the heartbeat of a loop that has ended.
const ENDED: u64 = u64::MAX;

// === impl Health ===

impl Health {
    /// Creates the health of a process without services.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, services: Arc::default() }
    }

    /// Returns the health of one service. Creates it on first use.
    #[must_use]
    pub fn service(&self, service: &'static str) -> ServiceHealth {
        locked(&self.services).entry(service).or_default();
        ServiceHealth { health: self.clone(), service }
    }

    /// Returns the readiness of all services. A process without services is ready.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let (mut waiting, mut degraded) = (BTreeMap::new(), BTreeMap::new());
        for (service, state) in locked(&self.services).iter() {
            let reasons: BTreeMap<String, String> = state
                .components
                .iter()
                .filter_map(|(component, reason)| Some((component.clone(), reason.clone()?)))
                .collect();
            if !reasons.is_empty() {
                waiting.insert(*service, reasons);
            }
            if !state.degraded.is_empty() {
                let joined = |causes: &BTreeMap<&str, String>| {
                    causes.values().map(String::as_str).collect::<Vec<_>>().join("; ")
                };
                let causes = state.degraded.iter().map(|(name, causes)| (name.clone(), joined(causes)));
                degraded.insert(*service, causes.collect());
            }
        }
        Readiness { ready: waiting.is_empty(), waiting, degraded }
    }

    /// Returns the liveness of all loops.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let now_ms = self.now_ms();
        let mut late = Vec::new();
        for (service, state) in locked(&self.services).iter() {
            for (stage, beat) in &state.heartbeats {
                let late_by_ms = now_ms.saturating_sub(beat.load(Ordering::Relaxed));
                if late_by_ms > 0 {
                    late.push(Late { service, stage: stage.clone(), late_by_ms });
                }
            }
        }
        Liveness { live: late.is_empty(), late }
    }

    fn now_ms(&self) -> u64 {
        millis(self.clock.monotonic())
    }
}

// === impl ServiceHealth ===

impl ServiceHealth {
    /// Registers a component. It is not ready until its latch is set.
    #[must_use]
    pub fn component(&self, name: impl Into<String>) -> Latch {
        let latch = Latch { service: self.clone(), component: name.into() };
        latch.not_ready("starting");
        latch
    }

    /// Registers a loop that beats at least once per `deadline`.
    #[must_use]
    pub fn heartbeat(&self, stage: impl Into<String>, deadline: Duration) -> Heartbeat {
        let beat = Heartbeat { alive_until_ms: Arc::default(), deadline, health: self.health.clone() };
        beat.beat();
        self.with(|state| {
            state.heartbeats.retain(|(_, beat)| beat.load(Ordering::Relaxed) != ENDED);
            state.heartbeats.push((stage.into(), Arc::clone(&beat.alive_until_ms)));
        });
        beat
    }

    fn with(&self, change: impl FnOnce(&mut ServiceState)) {
        change(locked(&self.health.services).entry(self.service).or_default());
    }
}

// === impl Latch ===

impl Latch {
    /// Sets the component ready.
    pub fn ready(&self) {
        self.service.with(|state| {
            state.components.insert(self.component.clone(), None);
        });
    }

    /// Sets the component not ready, with the reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.service.with(|state| {
            state.components.insert(self.component.clone(), Some(reason.into()));
        });
    }

    /// Sets what the component works without; `None` if it is complete. Readiness does not change.
    pub fn degraded(&self, missing: Option<&str>) {
        self.degraded_by("", missing);
    }

    /// As [`degraded`](Self::degraded), for one of several parts of the component that report independently of each other.
    pub fn degraded_by(&self, part: &'static str, missing: Option<&str>) {
        self.service.with(|state| {
            let causes = state.degraded.entry(self.component.clone()).or_default();
            match missing {
                Some(missing) => drop(causes.insert(part, missing.to_owned())),
                None => drop(causes.remove(part)),
            }
            if causes.is_empty() {
                state.degraded.remove(&self.component);
            }
        });
    }
}

// === impl Heartbeat ===

impl Heartbeat {
    /// Records that the loop makes progress.
    pub fn beat(&self) {
        self.allow(Duration::ZERO);
    }

    /// Extends the deadline once, before a call that may block for `budget`.
    pub fn allow(&self, budget: Duration) {
        let until = self.health.now_ms().saturating_add(millis(self.deadline + budget));
        self.alive_until_ms.store(until, Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.alive_until_ms.store(ENDED, Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::saturating_from(duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn health() -> (Arc<ManualClock>, Health) {
        let clock = Arc::new(ManualClock::at(0));
        (Arc::clone(&clock), Health::new(clock))
    }

    #[test]
    fn process_is_ready_when_all_components_are() {
        let (_, health) = health();
        let bars = health.service("feature").component("bars");
        let bus = health.service("publisher").component("bus");
        bus.ready();
        bars.not_ready("restoring, 40 %");
        let readiness = health.readiness();
        assert!(!readiness.ready);
        assert_eq!(readiness.waiting["feature"]["bars"], "restoring, 40 %");
        assert!(!readiness.waiting.contains_key("publisher"));
        bars.ready();
        assert!(health.readiness().ready);
    }

    #[test]
    fn degraded_component_is_ready_and_reports_what_is_missing() {
        let (_, health) = health();
        let bars = health.service("feature").component("bars");
        bars.ready();
        bars.degraded(Some("2 bars"));
        let readiness = health.readiness();
        assert!(readiness.ready);
        assert_eq!(readiness.degraded["feature"]["bars"], "2 bars");
        bars.degraded(None);
        assert!(health.readiness().degraded.is_empty());
    }

    #[test]
    fn parts_of_a_component_are_degraded_independently() {
        let (_, health) = health();
        let stage = health.service("feature").component("stage");
        stage.degraded(Some("2 bars"));
        stage.degraded_by("kafka", Some("kafka: 0 of 3 brokers reachable"));
        assert_eq!(
            health.readiness().degraded["feature"]["stage"],
            "2 bars; kafka: 0 of 3 brokers reachable"
        );
        stage.degraded(None);
        assert_eq!(health.readiness().degraded["feature"]["stage"], "kafka: 0 of 3 brokers reachable");
        stage.degraded_by("kafka", None);
        assert!(health.readiness().degraded.is_empty());
    }

    #[test]
    fn loop_past_its_deadline_is_late_until_the_next_beat() {
        let (clock, health) = health();
        let beat = health.service("feature").heartbeat("driver", Duration::from_secs(5));
        clock.advance(Duration::from_secs(5));
        assert!(health.liveness().live);
        clock.advance(Duration::from_millis(7));
        assert_eq!(
            health.liveness().late,
            [Late { service: "feature", stage: "driver".to_owned(), late_by_ms: 7 }]
        );
        beat.beat();
        assert!(health.liveness().live);
    }

    #[test]
    fn blocking_call_is_live_within_its_budget() {
        let (clock, health) = health();
        let beat = health.service("feature").heartbeat("driver", Duration::from_secs(5));
        beat.allow(Duration::from_secs(30));
        clock.advance(Duration::from_secs(35));
        assert!(health.liveness().live);
        clock.advance(Duration::from_secs(1));
        assert!(!health.liveness().live);
    }

    #[test]
    fn ended_loop_is_not_late() {
        let (clock, health) = health();
        drop(health.service("feature").heartbeat("driver", Duration::from_secs(1)));
        clock.advance(Duration::from_secs(60));
        assert!(health.liveness().live);
    }
}
