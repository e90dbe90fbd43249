//! The driver: one OS thread that turns a stage's Kafka traffic into the engine's events, and its actions into calls.
//!
//! Start at [`Driver::run`]; a session (`session.rs`) is the loop over one set of clients.

mod beside;
mod clients;
mod completions;
mod error;
mod fetching;
mod flow;
mod group;
#[cfg(test)]
mod idle;
mod inputs;
mod membership;
mod observer;
mod output;
mod progress;
mod restoring;
mod session;
mod shutdown;
mod stage;
mod stuck;
mod tables;
mod telling;
mod turn;
mod waiting;
mod waits;
mod watchdog;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contracts::Topic;
use pipeline::{Action, Engine, Event, Now, Options, Stop};

use self::clients::Clients;
use self::inputs::Inputs;
use self::observer::Observer;
use self::output::Output;
use self::session::{Ended, Session};
use crate::access_denied::AccessDenied;
use crate::call_error::CallError;
use crate::cluster;
use crate::config::{Delivery, KafkaConfig};
use crate::raw::Wake;

pub(crate) use self::clients::close;
pub use self::completions::{Completed, Completions, completions};
pub use self::error::DriverError;
pub use self::observer::{GiveUp, Hooks, Readiness, Seen, StageCounts, TransactionStep};
pub use self::shutdown::Shutdown;
pub use self::stage::{KafkaStage, Note, Restore, TableRecord};

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
    stalls: u64,
    /// The last time that the clients were made anew.
    rebuilt: Option<Rebuilt>,
}

#[derive(Clone, Copy)]
struct Rebuilt {
    at: Instant,
    /// Nothing has been delivered or committed since.
    in_vain: bool,
}

/// Clients that have lived for this many times a transaction's timeout have outlived every call that could show the old failure.
const OUTLIVED: u32 = 4;

/// How long a transaction coordinator that isn't there is waited for. 60 s: a broker that was killed is back in a third of it; what
/// takes longer is for a supervisor to see.
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(60);

/// Wait before it is asked again; librdkafka has asked for some seconds itself.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(200);

impl<S: KafkaStage> Driver<S> {
    /// A driver for a stage whose completions come through `completed`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the Kafka configuration is wrong.
    pub fn new(
        stage: S,
        completed: Completed<S::Completion>,
        options: DriverOptions,
    ) -> Result<Self, DriverError> {
        let faults = options.kafka.errors();
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
            stalls: 0,
            rebuilt: None,
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
                Ended::Broken(fault) if fault.is_access_denied() || self.is_hopeless(&fault) => {
                    return Err(self.ended_by(&fault));
                }
                Ended::Broken(fault) => {
                    tracing::warn!(group = self.group, %fault, "clients given up, made anew");
                    self.rebuilt = Some(Rebuilt { at: Instant::now(), in_vain: true });
                }
                // However often: new clients may fetch what these didn't, and giving up would fetch nothing either.
                Ended::Stalled => {}
            }
            if let Some(stop) = self.forget_clients() {
                return Ok(stop);
            }
        }
    }

    /// What was asked of the old clients is void, their partitions are no longer ours; only the end stays the end.
    fn forget_clients(&mut self) -> Option<Stop> {
        self.observer.rebuilds.increment(1);
        let now = self.now();
        self.engine.apply(Event::ClientsRecreated, now);
        self.engine.settle(now);
        let actions = std::iter::from_fn(|| self.engine.take_action());
        actions.filter_map(|action| if let Action::Stop(stop) = action { Some(stop) } else { None }).next()
    }

    /// One set of clients, from its making to its end.
    fn live(&mut self) -> Result<Ended, DriverError> {
        let Some(mut output) = self.make_output()? else { return Ok(Ended::Stopped(Stop::Drained)) };
        let (stage, inputs) = (self.engine.stage(), self.inputs.topics());
        let clients = Clients::make(&self.kafka, &self.group, inputs, stage, &self.wake)?;
        let wake = self.wake.clone();
        let ended = {
            let _awake = wake.bind(&clients.work);
            match Session::new(self, &clients, &mut output) {
                Some(mut session) => session.run(),
                None => Err(DriverError::Fatal { cause: "a consumer has no queue".to_owned() }),
            }
        };
        drop(output);
        clients.close();
        ended
    }

    /// A producer that is ready to begin; none when the end was asked for meanwhile. A coordinator that isn't there is waited for:
    /// on a new cluster, and after a broker's end, it takes its time to load.
    fn make_output(&mut self) -> Result<Option<Output>, DriverError> {
        let begun = Instant::now();
        while !self.shutdown.is_requested() {
            (self.observer.hooks.heartbeat)();
            let fault = match Output::make(&self.kafka, &self.group, self.wake.clone())? {
                Ok(output) => return Ok(Some(output)),
                Err(fault) => fault,
            };
            if !fault.is_transient() || fault.is_fenced() || fault.is_access_denied() {
                return Err(self.ended_by(&fault));
            }
            if begun.elapsed() >= COORDINATOR_PATIENCE {
                let (cause, waited_s) = (fault.to_string(), begun.elapsed().as_secs());
                return Err(DriverError::NoCoordinator { group: self.group.clone(), waited_s, cause });
            }
            tracing::warn!(group = self.group, %fault, "the transaction coordinator is asked again");
            std::thread::park_timeout(COORDINATOR_PAUSE);
        }
        Ok(None)
    }

    fn is_hopeless(&self, fault: &CallError) -> bool {
        let transaction = Duration::from_millis(self.kafka.transaction_timeout_ms.into());
        self.rebuilt.is_some_and(|last| last.dooms(fault, last.at.elapsed(), transaction))
    }

    fn ended_by(&self, fault: &CallError) -> DriverError {
        let cause = fault.to_string();
        if fault.is_access_denied() {
            return AccessDenied::new(&self.kafka, fault.code, &format!("group {}: {cause}", self.group))
                .into();
        }
        match fault.is_fenced() {
            true => {
                DriverError::Fenced { transactional_id: transactional_id(&self.kafka, &self.group), cause }
            }
            false => DriverError::Fatal { cause },
        }
    }

    fn topics(&self) -> Vec<Topic> {
        let stage = self.engine.stage();
        let restores = stage.restores().iter().map(|restore| restore.topic);
        let beside = stage.globals().into_iter().map(|(topic, _)| topic).chain(restores);
        let named = self.inputs.topics().iter().chain(stage.tables()).chain(&self.outputs);
        named.copied().chain(beside).collect()
    }

    fn query_timeout(&self) -> Duration {
        Duration::from_millis(self.kafka.query_timeout_ms.into())
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now {
            monotonic: self.started.elapsed(),
            wall_micros: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }
}

impl Rebuilt {
    /// Whether clients that were made anew failed like those before. Two that share a transactional id fence each other in turn, each
    /// perhaps after a commit or two: so a second fence counts within the time that a transaction may take.
    fn dooms(self, fault: &CallError, age: Duration, transaction: Duration) -> bool {
        match fault.is_fenced() {
            true => age < transaction,
            false => self.in_vain && age < OUTLIVED * transaction,
        }
    }
}

/// Stable over restarts, so that a restarted instance ends its predecessor's open transaction at once.
fn transactional_id(kafka: &KafkaConfig, group: &str) -> String {
    format!("{group}-{}", kafka.instance())
}

fn engine_options(kafka: &KafkaConfig) -> Options {
    let mode = match kafka.delivery {
        Delivery::Transactional => pipeline::Delivery::Transactional,
        Delivery::AtLeastOnce => pipeline::Delivery::AtLeastOnce,
    };
    Options {
        drain_budget: Duration::from_millis(kafka.drain_budget_ms.into()),
        batch_outputs_max: usize::try_from(kafka.batch_outputs_max).unwrap_or(usize::MAX),
        ..Options::new(mode)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn a_second_failure_ends_the_stage_only_soon_after_the_first_and_with_nothing_done_between() {
        let transaction = Duration::from_secs(15);
        let (in_vain, useful) = (true, false);
        let dooms = |code, in_vain, age_s| {
            let last = Rebuilt { at: Instant::now(), in_vain };
            last.dooms(&CallError::fatal(code, String::new()), Duration::from_secs(age_s), transaction)
        };
        let (lost, fenced) = (RDKafkaErrorCode::OutOfOrderSequenceNumber, RDKafkaErrorCode::ProducerFenced);
        assert!(dooms(lost, in_vain, 30));
        assert!(!dooms(lost, in_vain, 61));
        assert!(!dooms(lost, useful, 1));
        assert!(dooms(fenced, useful, 14) && !dooms(fenced, in_vain, 16));
    }
}
