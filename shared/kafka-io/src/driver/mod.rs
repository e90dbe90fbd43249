//! The driver: one OS thread that turns a stage's Kafka traffic into the engine's events, and its actions into calls.
//!
//! Start at [`Driver::run`]; a session (`session.rs`) is the loop over one set of clients.

mod clients;
mod completions;
mod error;
mod group;
mod observer;
mod output;
mod session;
mod shutdown;
mod sources;
mod stage;
mod tables;
mod turn;
mod waiting;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contracts::Topic;
use pipeline::{Engine, Event, Now, Options, Stop};

use self::clients::Clients;
use self::observer::Observer;
use self::output::Output;
use self::session::{Ended, Session};
use self::sources::Inputs;
use crate::cluster;
use crate::config::{Delivery, KafkaConfig};
use crate::raw::Wake;

pub(crate) use self::clients::close;
pub use self::completions::{Completed, Completions, completions};
pub use self::error::DriverError;
pub use self::observer::{Hooks, Seen, StageCounts};
pub use self::shutdown::Shutdown;
pub use self::stage::KafkaStage;

/// What a driver is told about its stage.
pub struct DriverOptions {
    /// The service's name: a metric label.
    pub service: &'static str,
    /// The stage's name: a metric label.
    pub stage: &'static str,
    /// The consumer group; with the ordinal also the transactional id.
    pub group: String,
    /// The input topics, in the order of the engine's topic indexes.
    pub inputs: Vec<Topic>,
    /// The topics that the stage produces to, its dead-letter topic included: checked at start beside inputs and tables.
    pub outputs: Vec<Topic>,
    /// The cluster.
    pub kafka: KafkaConfig,
    /// Calls into the process around it.
    pub hooks: Hooks,
}

/// Runs one stage.
pub struct Driver<S: KafkaStage> {
    engine: Engine<S>,
    inputs: Inputs,
    outputs: Vec<Topic>,
    group: String,
    kafka: KafkaConfig,
    completed: Completed<S::Completion>,
    wake: Wake,
    shutdown: Shutdown,
    observer: Observer,
    started: Instant,
    table_records: u64,
    /// A client was made anew and nothing has been delivered since.
    rebuilt: bool,
}

impl<S: KafkaStage> Driver<S> {
    /// A driver for a stage whose completions come through `completed`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the Kafka configuration is wrong.
    pub fn new(stage: S, completed: Completed<S::Completion>, options: DriverOptions) -> Result<Self, DriverError> {
        let faults = options.kafka.faults();
        if !faults.is_empty() {
            return Err(DriverError::Config(faults));
        }
        let wake = completed.wake.clone();
        Ok(Self {
            engine: Engine::new(stage, engine_options(&options.kafka)),
            inputs: Inputs::new(options.inputs),
            outputs: options.outputs,
            group: options.group,
            kafka: options.kafka,
            completed,
            shutdown: Shutdown::new(wake.clone()),
            wake,
            observer: Observer::new(options.service, options.stage, options.hooks),
            started: Instant::now(),
            table_records: 0,
            rebuilt: false,
        })
    }

    /// Asks it to end, from any thread.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Its counts, from any thread.
    #[must_use]
    pub fn counts(&self) -> StageCounts {
        self.observer.counts.clone()
    }

    /// Runs the stage on this thread until it is asked to end, a rule says that it can't go on, or Kafka does.
    ///
    /// # Errors
    /// See [`DriverError`].
    pub fn run(mut self) -> Result<Stop, DriverError> {
        cluster::check(&self.kafka, &self.topics())?;
        loop {
            match self.live()? {
                Ended::Stopped(stop) => return Ok(stop),
                Ended::Broken(fault) => {
                    tracing::warn!(group = self.group, %fault, "client given up, made anew");
                    self.observer.rebuilds.increment(1);
                    self.rebuilt = true;
                    let now = self.now();
                    self.engine.apply(Event::ClientRebuilt, now);
                    self.engine.settle(now);
                    // What was asked of the old client is void; its partitions are no longer ours.
                    while self.engine.take_action().is_some() {}
                }
            }
        }
    }

    /// One set of clients, from its making to its end.
    fn live(&mut self) -> Result<Ended, DriverError> {
        let mut output = Output::make(&self.kafka, &self.group, self.wake.clone())?;
        let has_tables = !self.engine.stage().tables().is_empty();
        let clients =
            Clients::make(&self.kafka, &self.group, self.inputs.topics(), has_tables, &self.wake)?;
        let wake = self.wake.clone();
        let rebuilt_before = self.rebuilt;
        let ended = {
            let _awake = wake.bind(&clients.work);
            match Session::new(self, &clients, &mut output) {
                Some(mut session) => session.run(),
                None => Err(DriverError::Fatal { cause: "a consumer has no queue".to_owned() }),
            }
        };
        if let Ok(Ended::Broken(fault)) = &ended
            && rebuilt_before
            && self.rebuilt
        {
            let error = output.ended_by(fault);
            clients.close();
            return Err(error);
        }
        drop(output);
        clients.close();
        ended
    }

    fn topics(&self) -> Vec<Topic> {
        let tables = self.engine.stage().tables();
        self.inputs.topics().iter().chain(tables).chain(&self.outputs).copied().collect()
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now {
            monotonic: self.started.elapsed(),
            wall_micros: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }
}

fn engine_options(kafka: &KafkaConfig) -> Options {
    let mode = match kafka.delivery {
        Delivery::Transactional => pipeline::Delivery::Transactional,
        Delivery::AtLeastOnce => pipeline::Delivery::AtLeastOnce,
    };
    Options { drain_budget: Duration::from_millis(kafka.drain_budget_ms.into()), ..Options::new(mode) }
}
