//! A run: random inputs and failures, then a calm phase, then the checks.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use backfill::sources::Source;
use tapeline::audit::Stage;

use crate::defects::{Counts, Defect};
use crate::inputs::Inputs;
use crate::instance::{Life, Member};
use crate::kafka::Kafka;
use crate::oracle::{self, Broken, broken};
use crate::stages;

/// Steps of a calm phase after which a run makes no progress. Runs end within a tenth of it.
const CALM_STEPS_MAX: u32 = 400_000;

/// Phases of random inputs and failures, each followed by a calm one. In the first calm phases the source still fails, which leaves holes.
const PHASES: u32 = 2;

/// Steps between two checks for rest.
const REST_INTERVAL: u32 = 40;

/// Longer than the interval at which the keeper searches for holes.
const KEEPER_PASS: Duration = Duration::from_secs(61);

/// One run, determined by these values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// Random steps before the calm phase.
    pub(crate) steps: u32,
    pub(crate) defect: Option<Defect>,
}

/// A violated law.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) run: Run,
    pub(crate) law: &'static str,
    cause: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, in {:?}", self.law, self.cause, self.run)
    }
}

struct World {
    run: Run,
    kafka: Kafka,
    source: Arc<dyn Source>,
    inputs: Inputs,
    instances: BTreeMap<u32, Box<dyn Member>>,
    next_instance: u32,
}

impl Run {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Counts, Failure> {
        let mut world = World {
            run: self,
            kafka: Kafka::new(self.seed),
            source: stages::source(),
            inputs: Inputs::new(),
            instances: BTreeMap::new(),
            next_instance: 0,
        };
        match world.run() {
            Ok(()) => Ok(Counts { digest: world.digest(), ..world.kafka.counts }),
            Err(Broken { law, cause }) => Err(Failure { run: self, law, cause }),
        }
    }
}

impl World {
    fn run(&mut self) -> Result<(), Broken> {
        Stage::ALL.into_iter().for_each(|stage| self.start(stage));
        for _ in 0..PHASES {
            self.kafka.calm = false;
            for _ in 0..self.run.steps / PHASES {
                let millis = if self.kafka.rng.chance(1) { 1_000 } else { self.kafka.rng.below(8) };
                self.kafka.pass(Duration::from_millis(millis))?;
                self.step_in_chaos()?;
            }
            self.kafka.calm = true;
            self.rest()?;
            // The keeper requests the holes in the next phase.
            self.kafka.pass(KEEPER_PASS)?;
        }
        self.kafka.source_fails = false;
        self.rest()?;
        self.kafka.pass(KEEPER_PASS)?;
        self.rest()?;
        oracle::check(&mut self.kafka, &self.source)
    }

    /// Runs without failures until every input is resolved and committed.
    fn rest(&mut self) -> Result<(), Broken> {
        for step in 0..CALM_STEPS_MAX {
            let millis = self.kafka.rng.below(10);
            self.kafka.pass(Duration::from_millis(millis))?;
            for stage in Stage::ALL {
                if !self.instances.values().any(|instance| instance.stage() == stage) {
                    self.start(stage);
                }
            }
            self.step_of_some()?;
            if step % REST_INTERVAL == 0 && self.is_at_rest() {
                return Ok(());
            }
        }
        broken("progress", format!("no progress in the calm phase: {}", self.kafka.state()))
    }

    fn is_at_rest(&self) -> bool {
        self.kafka.is_at_rest() && self.instances.values().all(|instance| instance.is_at_rest(&self.kafka))
    }

    fn step_in_chaos(&mut self) -> Result<(), Broken> {
        match self.kafka.rng.below(800) {
            0..22 => self.inputs.append(&mut self.kafka),
            22..25 => {
                let stage = self.some_stage();
                self.kafka.counts.rebalances += 1;
                let (group, rng) = self.kafka.group(stage);
                group.rebalance(rng);
            }
            25..26 => {
                if let Some((id, instance)) = self.some().and_then(|id| self.instances.get_key_value(&id)) {
                    self.kafka.counts.lost += 1;
                    let (group, rng) = self.kafka.group(instance.stage());
                    group.expire(*id, rng);
                }
            }
            26..28 => {
                if let Some(mut instance) = self.some().and_then(|id| self.instances.remove(&id)) {
                    self.kafka.counts.crashes += 1;
                    instance.crash(&mut self.kafka);
                }
            }
            28..29 => {
                if let Some(instance) = self.some().and_then(|id| self.instances.get_mut(&id)) {
                    self.kafka.counts.recreated += 1;
                    instance.recreate_clients(&mut self.kafka);
                }
            }
            29..30 => {
                if let Some(instance) = self.some().and_then(|id| self.instances.get_mut(&id)) {
                    instance.shut_down(&mut self.kafka);
                }
            }
            30..40 => {
                let stage = self.some_stage();
                let running = self.instances.values().filter(|instance| instance.stage() == stage).count();
                if running < 3 {
                    self.start(stage);
                }
            }
            _ => self.step_of_some()?,
        }
        Ok(())
    }

    fn start(&mut self, stage: Stage) {
        let id = self.next_instance;
        self.next_instance += 1;
        let instance = stages::start(stage, id, &self.source, self.run.defect, &mut self.kafka);
        self.instances.insert(id, instance);
    }

    fn some_stage(&mut self) -> Stage {
        self.kafka.rng.pick(&Stage::ALL).copied().unwrap_or(Stage::Executor)
    }

    fn some(&mut self) -> Option<u32> {
        let ids: Vec<u32> = self.instances.keys().copied().collect();
        self.kafka.rng.pick(&ids).copied()
    }

    fn step_of_some(&mut self) -> Result<(), Broken> {
        let Some(id) = self.some() else { return Ok(()) };
        let Some(instance) = self.instances.get_mut(&id) else { return Ok(()) };
        if instance.step(&mut self.kafka)? == Life::Ended {
            self.instances.remove(&id);
        }
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        for (at, offset, entry) in self.kafka.log.visible() {
            (at.0.name(), at.1, offset, &entry.record.key, entry.appended.monotonic).hash(&mut digest);
        }
        digest.finish()
    }
}
