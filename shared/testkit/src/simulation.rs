//! A run: random faults, then a calm phase, then the check.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use pipeline::{Delivery as Mode, Options};

use crate::cluster::Cluster;
use crate::delivery::Delivery;
use crate::instance::{Instance, Life};
use crate::oracle::{Broken, broken};
use crate::origination::Origination;
use crate::report::Report;
use crate::rules::Rules;
use crate::trace::Step;

/// Steps of the calm phase after which a run counts as stuck. Runs end within a tenth of it.
const CALM_STEPS_MAX: u32 = 20_000;

/// One run, determined by these values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    /// Seed of all random numbers.
    pub seed: u64,
    pub mode: Mode,
    /// Whether records complete in the order of their partition. Otherwise they also complete beyond the prefix.
    pub in_order: bool,
    /// The rules originate outputs.
    pub originates: bool,
}

/// A violated law, with the trace that led to it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The run, which fails again in the same way.
    pub simulation: Simulation,
    /// The id of the law.
    pub law: &'static str,
    /// The violation.
    pub what: String,
    /// The last steps of the trace.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        write!(f, "{}: {}, in {:?}", self.law, self.what, self.simulation)
    }
}

struct World<D, M> {
    cluster: Cluster,
    instances: BTreeMap<u32, Instance<D>>,
    next_instance: u32,
    make: M,
}

impl Simulation {
    /// Runs it over engines created by `make`.
    ///
    /// # Errors
    /// The first violated law.
    pub fn run<D, M>(self, make: M) -> Result<Report, Box<Failure>>
    where
        D: Delivery,
        M: Fn(Rules, Options) -> D,
    {
        let cluster = Cluster::new(self.seed, self.mode, self.in_order, self.originates);
        let mut world = World { cluster, instances: BTreeMap::new(), next_instance: 0, make };
        match world.run() {
            Ok(()) => {
                let mut report = world.cluster.report;
                report.trace_digest = world.cluster.trace.digest();
                Ok(report)
            }
            Err(Broken { law, what }) => {
                Err(Box::new(Failure { simulation: self, law, what, trace: world.cluster.trace.last() }))
            }
        }
    }
}

impl<D: Delivery, M: Fn(Rules, Options) -> D> World<D, M> {
    fn run(&mut self) -> Result<(), Broken> {
        let steps = 200 + self.cluster.rng.below(600);
        for _ in 0..steps {
            self.cluster.pass()?;
            self.step_in_chaos()?;
        }
        self.cluster.calm = true;
        self.cluster.trace.record(&Step::Calm);
        for _ in 0..CALM_STEPS_MAX {
            self.cluster.pass()?;
            if self.instances.len() < 2 {
                self.start();
            }
            self.step_of_some()?;
            if self.cluster.is_completed() && self.instances.values().all(Instance::is_at_rest) {
                return self.cluster.finish();
            }
        }
        broken("progress", format!("no progress in the calm phase: {}", self.cluster.state()))
    }

    fn step_in_chaos(&mut self) -> Result<(), Broken> {
        match self.cluster.rng.below(200) {
            0..40 => self.cluster.append(),
            40..44 => self.cluster.rebalance(),
            44..46 => {
                if let Some(id) = self.some() {
                    self.cluster.report.lost += 1;
                    self.cluster.trace.record(&Step::SessionExpired(id));
                    self.cluster.expire(id);
                }
            }
            46..48 => {
                if let Some(instance) = self.some().and_then(|id| self.instances.remove(&id)) {
                    self.cluster.report.crashes += 1;
                    instance.crash(&mut self.cluster);
                }
            }
            48..50 => {
                if let Some(instance) = self.some().and_then(|id| self.instances.get_mut(&id)) {
                    self.cluster.report.recreated += 1;
                    instance.recreate_clients(&mut self.cluster);
                }
            }
            50..52 => {
                if let Some(instance) = self.some().and_then(|id| self.instances.get_mut(&id)) {
                    instance.shut_down(&mut self.cluster);
                }
            }
            52..60 if self.instances.len() < 3 => self.start(),
            _ => self.step_of_some()?,
        }
        Ok(())
    }

    fn start(&mut self) {
        let id = self.next_instance;
        self.next_instance += 1;
        let options = Options {
            batch_outputs_max: 6,
            batch_age_max: Duration::from_millis(20),
            held_records_max: 14,
            ledger_records_max: 12,
            completed_ranges_max_bytes: 10,
            defer_wait_first: Duration::from_millis(5),
            defer_wait_max: Duration::from_millis(20),
            outputs_max: 16,
            originated_outputs_max: 2,
            drain_budget: Duration::from_millis(120),
            commit_interval: Duration::from_millis(10),
            consecutive_rejects_max: 4,
            ..Options::new(self.cluster.mode)
        };
        let how = if self.cluster.originates { Origination::Restored } else { Origination::Nothing };
        let engine = (self.make)(Rules::new(self.cluster.in_order).originating(how), options);
        self.instances.insert(id, Instance::start(id, engine, &mut self.cluster));
    }

    fn some(&mut self) -> Option<u32> {
        let ids: Vec<u32> = self.instances.keys().copied().collect();
        self.cluster.rng.pick(&ids).copied()
    }

    fn step_of_some(&mut self) -> Result<(), Broken> {
        let Some(id) = self.some() else { return Ok(()) };
        let Some(instance) = self.instances.get_mut(&id) else { return Ok(()) };
        if instance.step(&mut self.cluster)? == Life::Ended {
            self.instances.remove(&id);
        }
        Ok(())
    }
}
