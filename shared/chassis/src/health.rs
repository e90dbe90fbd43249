//! Whether a process is ready and alive, as latches and heartbeats that the admin server reads.
//!
//! A component is not ready until it says so. A heartbeat has a deadline; a loop that makes a bounded blocking call
//! says so first ([`Heartbeat::allow`]) and counts as alive until that call's budget is spent. A loop that has ended
//! has no heartbeat: its end is the business of [`crate::tasks`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::lock::locked;

/// The health of every service in the process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    clock: Arc<dyn Clock>,
    services: Arc<Mutex<BTreeMap<&'static str, ServiceState>>>,
}

/// The health of one service: what it registers its components and loops with.
#[derive(Debug, Clone)]
pub struct ServiceHealth {
    health: Health,
    service: &'static str,
}

/// The readiness of one component.
#[derive(Debug, Clone)]
pub struct Latch {
    of: ServiceHealth,
    component: String,
}

/// Proof that one loop makes progress. Dropped when the loop ends.
#[derive(Debug)]
pub struct Heartbeat {
    alive_until_ms: Arc<AtomicU64>,
    deadline: Duration,
    health: Health,
}

/// What `/ready` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether every component of every service is ready.
    pub ready: bool,
    /// By service and component, why not.
    pub waiting: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// By service and component, what it works without, ready all the same.
    pub degraded: BTreeMap<&'static str, BTreeMap<String, String>>,
}

/// What `/live` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// Whether every heartbeat is younger than its deadline.
    pub live: bool,
    /// The loops that are late.
    pub late: Vec<Late>,
}

/// A loop whose heartbeat is older than its deadline.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    /// The service.
    pub service: &'static str,
    /// The loop.
    pub stage: String,
    /// How far past its deadline, milliseconds.
    pub late_by_ms: u64,
}

#[derive(Debug, Default)]
struct ServiceState {
    /// By component: why it is not ready, or `None` when it is.
    components: BTreeMap<String, Option<String>>,
    /// By component: what it works without.
    degraded: BTreeMap<String, String>,
    beats: Vec<(String, Arc<AtomicU64>)>,
}

/// The heartbeat of a loop that has ended.
const ENDED: u64 = u64::MAX;

// === impl Health ===

impl Health {
    /// A process in which nothing has registered yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, services: Arc::default() }
    }

    /// The part of one service, made on first use.
    #[must_use]
    pub fn service(&self, service: &'static str) -> ServiceHealth {
        locked(&self.services).entry(service).or_default();
        ServiceHealth { health: self.clone(), service }
    }

    /// Who is ready. A process without services is.
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
                degraded.insert(*service, state.degraded.clone());
            }
        }
        Readiness { ready: waiting.is_empty(), waiting, degraded }
    }

    /// Who is alive.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let now_ms = self.now_ms();
        let mut late = Vec::new();
        for (service, state) in locked(&self.services).iter() {
            for (stage, beat) in &state.beats {
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
    /// Registers a component, not ready until its latch says so.
    #[must_use]
    pub fn component(&self, name: impl Into<String>) -> Latch {
        let latch = Latch { of: self.clone(), component: name.into() };
        latch.not_ready("starting");
        latch
    }

    /// Registers a loop that beats at least once each `deadline`.
    #[must_use]
    pub fn heartbeat(&self, stage: impl Into<String>, deadline: Duration) -> Heartbeat {
        let beat = Heartbeat { alive_until_ms: Arc::default(), deadline, health: self.health.clone() };
        beat.beat();
        self.with(|state| {
            state.beats.retain(|(_, beat)| beat.load(Ordering::Relaxed) != ENDED);
            state.beats.push((stage.into(), Arc::clone(&beat.alive_until_ms)));
        });
        beat
    }

    fn with(&self, change: impl FnOnce(&mut ServiceState)) {
        change(locked(&self.health.services).entry(self.service).or_default());
    }
}

// === impl Latch ===

impl Latch {
    /// The component does its work.
    pub fn ready(&self) {
        self.of.with(|state| {
            state.components.insert(self.component.clone(), None);
        });
    }

    /// The component does not do its work, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.of.with(|state| {
            state.components.insert(self.component.clone(), Some(reason.into()));
        });
    }

    /// What the component works without, or that it lacks nothing. Readiness is another matter: it does its work.
    pub fn degraded(&self, lacks: Option<&str>) {
        self.of.with(|state| match lacks {
            Some(lacks) => drop(state.degraded.insert(self.component.clone(), lacks.to_owned())),
            None => drop(state.degraded.remove(&self.component)),
        });
    }
}

// === impl Heartbeat ===

impl Heartbeat {
    /// The loop is alive now.
    pub fn beat(&self) {
        self.allow(Duration::ZERO);
    }

    /// The loop is about to make one call that may block for `budget`.
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

fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
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
    fn a_process_is_ready_when_every_component_of_every_service_is() {
        let (_, health) = health();
        let bars = health.service("feature").component("bars");
        let bus = health.service("publisher").component("bus");
        bus.ready();
        bars.not_ready("restoring, 40 %");
        let answer = health.readiness();
        assert!(!answer.ready);
        assert_eq!(answer.waiting["feature"]["bars"], "restoring, 40 %");
        assert!(!answer.waiting.contains_key("publisher"));
        bars.ready();
        assert!(health.readiness().ready);
    }

    #[test]
    fn a_component_that_works_with_less_is_ready_and_says_what_it_lacks() {
        let (_, health) = health();
        let bars = health.service("feature").component("bars");
        bars.ready();
        bars.degraded(Some("2 bars"));
        let answer = health.readiness();
        assert!(answer.ready);
        assert_eq!(answer.degraded["feature"]["bars"], "2 bars");
        bars.degraded(None);
        assert!(health.readiness().degraded.is_empty());
    }

    #[test]
    fn a_loop_is_late_after_its_deadline_and_alive_again_after_a_beat() {
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
    fn a_bounded_call_counts_as_alive_until_its_budget_is_spent() {
        let (clock, health) = health();
        let beat = health.service("feature").heartbeat("driver", Duration::from_secs(5));
        beat.allow(Duration::from_secs(30));
        clock.advance(Duration::from_secs(35));
        assert!(health.liveness().live);
        clock.advance(Duration::from_secs(1));
        assert!(!health.liveness().live);
    }

    #[test]
    fn a_loop_that_has_ended_is_not_late() {
        let (clock, health) = health();
        drop(health.service("feature").heartbeat("driver", Duration::from_secs(1)));
        clock.advance(Duration::from_secs(60));
        assert!(health.liveness().live);
    }
}
