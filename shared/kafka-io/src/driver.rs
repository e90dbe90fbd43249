//! Driver: one OS thread that turns a stage's Kafka traffic into the engine's events, and its actions into calls of the clients.
//!
//! Start at [`Driver::run`]. A session (`session.rs`) is the loop over one set of clients.

mod actions;
mod assignment;
mod clients;
mod completions;
mod error;
mod fetch_buffer;
mod fetching;
mod followers;
mod hooks;
mod hung_clients;
#[cfg(test)]
mod inert_stage;
mod inputs;
mod membership;
mod observer;
mod output;
mod pausing;
mod progress;
mod record_age;
mod restoring;
mod retry;
mod session;
mod shutdown;
mod side_inputs;
mod slots;
mod stage;
mod state;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod timeouts;
mod watchdog;

use std::time::{Duration, Instant};

use contracts::Topic;
use kit::SaturatingFrom;
use pipeline::{Action, Engine, Event, Options, Stop};

use self::clients::Clients;
use self::followers::Followers;
use self::inputs::Inputs;
use self::observer::Observer;
use self::output::{Output, Producers, transactional_id};
use self::session::{Ended, Session};
use self::side_inputs::SideInputs;
use self::state::Recreation;
use crate::access_denied::AccessDenied;
use crate::call_error::CallError;
use crate::cluster;
use crate::config::{Delivery, KafkaConfig};
use crate::fetch_monitor::FetchMonitor;
use crate::log_limit::LogLimit;
use crate::record::OutRecord;

pub(crate) use self::clients::close;
pub use self::completions::{Completed, Completions, completions};
pub use self::error::DriverError;
pub use self::hooks::{AbortHook, Hooks, Readiness, TransactionStep};
pub use self::hung_clients::HungClients;
pub use self::observer::{StageCounts, StageStatus};
pub use self::shutdown::Shutdown;
pub use self::slots::LOADING_PARTITIONS_MAX;
pub use self::stage::{Bound, KafkaStage, Note, Restore, TableRecord, TableScope};
pub use self::state::Driver;

/// Options of a driver.
pub struct DriverOptions {
    /// The name of the service: a metric label.
    pub service: &'static str,
    /// The name of the stage: a metric label.
    pub stage: &'static str,
    /// The consumer group. With the ordinal of the instance it is also the transactional id.
    pub group: String,
    /// The input topics, in the order of the engine's topic indexes.
    pub inputs: Vec<Topic>,
    /// The topics that the stage produces to, including its dead-letter topic. Checked at start, as are inputs and tables.
    pub outputs: Vec<Topic>,
    /// The configuration of the clients.
    pub kafka: KafkaConfig,
    /// Calls into the process around the driver.
    pub hooks: Hooks,
}

/// How long the driver waits for an unavailable transaction coordinator. A killed broker is back in a third of this time; a longer
/// outage is left to the supervisor of the process.
const COORDINATOR_WAIT_MAX: Duration = Duration::from_secs(60);

/// Wait before the coordinator is queried again, in addition to the seconds that librdkafka itself retries.
const COORDINATOR_RETRY_WAIT: Duration = Duration::from_millis(200);

/// Hung clients of a process that do not end it yet: each keeps its threads, connections and memory.
const HUNG_CLIENTS_MAX: u32 = 2;

impl<S: KafkaStage> Driver<S> {
    /// Creates a driver of a stage that receives its completions from `completed`. Does not connect yet.
    ///
    /// # Errors
    /// If the Kafka configuration is invalid.
    pub fn new(
        stage: S,
        completed: Completed<S::Completion>,
        options: DriverOptions,
    ) -> Result<Self, DriverError> {
        let errors = options.kafka.errors();
        if !errors.is_empty() {
            return Err(DriverError::Config(errors));
        }
        let wake = completed.wake.clone();
        let fetches = FetchMonitor::new(options.service, options.stage, &options.kafka);
        Ok(Self {
            engine: Engine::new(stage, engine_options(&options.kafka))
                .measuring_outputs(OutRecord::memory_bytes),
            inputs: Inputs::new(options.inputs),
            outputs: options.outputs,
            group: options.group,
            kafka: options.kafka,
            completed,
            shutdown: Shutdown::new(wake.clone()),
            wake,
            observer: Observer::new(options.service, options.stage, options.hooks, fetches),
            producers: Producers::default(),
            started: Instant::now(),
            table_records: 0,
            stalls: 0,
            recreation: None,
        })
    }

    /// Returns a handle that requests the shutdown from any thread.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Returns a handle that reads the status of the stage from any thread.
    #[must_use]
    pub fn counts(&self) -> StageCounts {
        self.observer.counts.clone()
    }

    /// Runs the stage on this thread until the shutdown is requested, a rule fails, or an error is unrecoverable.
    ///
    /// # Errors
    /// See [`DriverError`].
    pub fn run(mut self) -> Result<Stop, DriverError> {
        cluster::check(&self.kafka, &self.topics())?;
        loop {
            let observers = (&self.wake, &self.observer.fetches);
            let followers = Followers::new(&self.kafka, &self.group, self.engine.stage(), observers)?;
            let stopped = self.run_sessions(&followers);
            followers.close();
            if let Some(stop) = stopped? {
                return Ok(stop);
            }
        }
    }

    /// Runs sessions with the same followers of tables as long as only the producer has to be replaced. `None` if all clients have to be.
    fn run_sessions(&mut self, followers: &Followers) -> Result<Option<Stop>, DriverError> {
        let side_inputs = SideInputs::new(followers, self.engine.stage(), &self.group, &self.kafka);
        let mut side_inputs = side_inputs.ok_or_else(without_queue)?;
        loop {
            let mut are_followers_kept = false;
            match self.run_session(followers, &mut side_inputs)? {
                Ended::Stopped(stop) => return Ok(Some(stop)),
                Ended::Broken(error) if error.is_access_denied() || self.recurs(&error) => {
                    return Err(self.unrecoverable(&error));
                }
                Ended::Broken(error) => {
                    tracing::warn!(group = self.group, %error, "unrecoverable client error: recreating Kafka clients");
                    self.recreation = Some(Recreation { at: Instant::now(), was_useful: false });
                }
                // Does not count as a failure: the next client may not hang.
                Ended::Abandoned(error) => {
                    self.abandon(&error)?;
                    let unfollowed = side_inputs.unfollow_own(self.engine.stage_mut());
                    are_followers_kept = unfollowed.is_ok();
                }
                // Any number of times: new clients may fetch what these did not, and to stop would fetch nothing either.
                Ended::Stalled => {}
            }
            if !are_followers_kept {
                side_inputs.unfollow_all(self.engine.stage_mut());
            }
            match self.apply_recreation() {
                None if are_followers_kept => {}
                stopped => return Ok(stopped),
            }
        }
    }

    /// Applies the recreation of the clients to the engine: their calls are void and their partitions are lost. Returns the engine's stop
    /// action, the only action that stays valid.
    fn apply_recreation(&mut self) -> Option<Stop> {
        self.observer.client_recreations.increment(1);
        let now = self.now();
        self.engine.apply(Event::ClientsRecreated, now);
        self.engine.settle(now);
        let actions = std::iter::from_fn(|| self.engine.take_action());
        actions.filter_map(|action| if let Action::Stop(stop) = action { Some(stop) } else { None }).next()
    }

    /// Creates a set of clients and runs a session over it.
    fn run_session<'f>(
        &mut self,
        followers: &'f Followers,
        side_inputs: &mut SideInputs<'f>,
    ) -> Result<Ended, DriverError> {
        let Some(mut output) = self.create_output()? else { return Ok(Ended::Stopped(Stop::Drained)) };
        let (stage, inputs) = (self.engine.stage(), self.inputs.topics());
        let observers = (&self.wake, &self.observer.fetches);
        let clients = Clients::new(&self.kafka, &self.group, inputs, stage, observers)?;
        let wake = self.wake.clone();
        let ended = {
            let _bound = wake.bind(&clients.work);
            match Session::new(self, &clients, followers, side_inputs, &mut output) {
                Some(mut session) => session.run(),
                None => Err(without_queue()),
            }
        };
        let closed = output.close(&mut *self.observer.hooks.heartbeat);
        clients.close();
        if let Err(error) = closed {
            let abandoned = self.abandon(&error);
            if !matches!(ended, Ok(Ended::Stopped(_))) {
                abandoned?;
            }
        }
        ended
    }

    /// Counts an abandoned client.
    ///
    /// # Errors
    /// The process has too many hung clients.
    fn abandon(&mut self, error: &CallError) -> Result<(), DriverError> {
        self.observer.abandoned_clients.increment(1);
        let hung = self.observer.hooks.hung_clients.count();
        tracing::error!(group = self.group, %error, hung, "client abandoned: a call has not returned");
        if hung > HUNG_CLIENTS_MAX {
            let group = self.group.clone();
            return Err(DriverError::ClientsAbandoned { group, hung, cause: Box::new(error.clone()) });
        }
        Ok(())
    }

    /// Creates a producer that is ready to begin a transaction. `None` if the shutdown was requested meanwhile. Waits for an unavailable
    /// coordinator: it takes some time to load on a new cluster, and after a broker stopped.
    fn create_output(&mut self) -> Result<Option<Output>, DriverError> {
        let begun = Instant::now();
        let mut limit = LogLimit::default();
        while !self.shutdown.is_requested() {
            let error = match Output::new(self.output_options())? {
                Ok(output) => return Ok(Some(output)),
                Err(error) => error,
            };
            if error.abandoned {
                self.abandon(&error)?;
                continue;
            }
            if !error.is_transient() || error.is_fenced() || error.is_access_denied() {
                return Err(self.unrecoverable(&error));
            }
            if begun.elapsed() >= COORDINATOR_WAIT_MAX {
                let (group, waited_s) = (self.group.clone(), begun.elapsed().as_secs());
                return Err(DriverError::NoCoordinator { group, waited_s, cause: Box::new(error) });
            }
            if let Some(suppressed) = limit.admit(Instant::now()) {
                tracing::warn!(group = self.group, %error, suppressed, "transaction coordinator unavailable: retrying");
            }
            std::thread::park_timeout(COORDINATOR_RETRY_WAIT);
        }
        Ok(None)
    }

    /// Returns `true` if an error has already led to the last recreation.
    fn recurs(&self, error: &CallError) -> bool {
        let transaction = timeouts::transaction(&self.kafka);
        self.recreation.is_some_and(|last| last.is_recurrence(error, last.at.elapsed(), transaction))
    }

    fn unrecoverable(&self, error: &CallError) -> DriverError {
        if error.is_access_denied() {
            let what = format!("group {}: {error}", self.group);
            return AccessDenied::new(&self.kafka, error.code, &what).into();
        }
        let cause = Box::new(error.clone());
        match error.is_fenced() {
            true => {
                DriverError::Fenced { transactional_id: transactional_id(&self.kafka, &self.group), cause }
            }
            false => DriverError::Fatal { cause },
        }
    }

    fn topics(&self) -> Vec<Topic> {
        let stage = self.engine.stage();
        let restores = stage.restores().iter().map(|restore| restore.topic);
        let side_inputs = stage.globals().into_iter().map(|(topic, _)| topic).chain(restores);
        let named = self.inputs.topics().iter().chain(stage.tables()).chain(&self.outputs);
        named.copied().chain(side_inputs).collect()
    }
}

fn without_queue() -> DriverError {
    DriverError::Fatal { cause: "a consumer has no queue".into() }
}

fn engine_options(kafka: &KafkaConfig) -> Options {
    let mode = match kafka.delivery {
        Delivery::Transactional => pipeline::Delivery::Transactional,
        Delivery::AtLeastOnce => pipeline::Delivery::AtLeastOnce,
    };
    Options {
        drain_budget: timeouts::drain(kafka),
        batch_outputs_max: usize::saturating_from(kafka.batch_outputs_max),
        ..Options::new(mode)
    }
}
