//! Session: the loop over one set of clients, from joining the group until the stage stops or a client fails.
//!
//! One iteration: fetch, read the tables, process, handle rebalances, restore, receive completions and acknowledgements, settle, perform
//! the engine's actions. The loop waits only in the fetch; completions, acknowledgements and table records wake it.
//!
//! | file | part of a session |
//! |---|---|
//! | `fetching.rs`, `fetch_buffer.rs` | fetching records of work |
//! | `pausing.rs` | pausing and resuming partitions at the client |
//! | `membership.rs`, `assignment.rs` | rebalances |
//! | `side_inputs.rs`, `tables.rs` | tables |
//! | `restoring.rs` | restored outputs |
//! | `actions.rs` | the engine's actions |
//! | `status.rs`, `watchdog.rs`, `record_age.rs` | status, stalls, lag |

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use pipeline::{Event, InputPartition, Stop};
use rdkafka::error::RDKafkaErrorCode;

use super::assignment::{Assignment, RebalanceEvent};
use super::clients::Clients;
use super::error::{ConsumerError, DriverError};
use super::fetch_buffer::FetchBuffer;
use super::followers::Followers;
use super::output::Output;
use super::record_age::RecordAges;
use super::restoring::Restoring;
use super::side_inputs::SideInputs;
use super::stage::KafkaStage;
use super::state::Driver;
use super::timeouts;
use super::watchdog::Watchdog;
use crate::call_error::CallError;
use crate::client::LogContext;
use crate::log_limit::LogLimit;
use crate::raw::Poller;
use crate::record::InRecord;

/// Why a session ended.
pub(super) enum Ended {
    Stopped(Stop),
    Broken(CallError),
    /// A call of the producer has not returned: its client is left running.
    Abandoned(CallError),
    /// Records are available and the client fetches none.
    Stalled,
}

/// Ends a session from within an iteration.
pub(super) enum Exit {
    Ended(Ended),
    Error(Box<DriverError>),
}

pub(super) struct Session<'d, 'c, 'f, S: KafkaStage> {
    pub(super) driver: &'d mut Driver<S>,
    pub(super) output: &'d mut Output,
    pub(super) clients: &'c Clients,
    pub(super) followers: &'f Followers,
    pub(super) side_inputs: &'d mut SideInputs<'f>,
    pub(super) restoring: Option<Restoring<'c>>,
    pub(super) watchdog: Watchdog<InputPartition>,
    pub(super) assignment: Assignment,
    pub(super) work: Poller<'c, LogContext>,
    pub(super) buffer: FetchBuffer<'c>,
    pub(super) rebalance_events: VecDeque<RebalanceEvent>,
    /// The iteration made progress, so there may be more to do: the next fetch does not wait.
    pub(super) busy: bool,
    /// A query failed or a restoration is running: the next fetch waits for a short time only.
    pub(super) retry_soon: bool,
    /// The shutdown was requested.
    pub(super) draining: bool,
    pub(super) lag: u64,
    pub(super) record_ages: RecordAges,
    /// Age of the oldest unresolved record.
    pub(super) oldest: Duration,
    /// The ends of all assigned partitions are known.
    pub(super) ends_known: bool,
    pub(super) status_updated: Option<Instant>,
    /// When the plain commit in flight was requested.
    pub(super) commit_requested: Option<Instant>,
    /// Commits that timed out in the shutdown: this many results of commits are to be ignored.
    pub(super) abandoned_commits: u32,
    /// Inputs that the engine has paused.
    pub(super) paused: BTreeSet<InputPartition>,
    /// The buffer is full and cannot be processed: all inputs are paused, and the session continues to poll.
    pub(super) is_buffer_full: bool,
    pub(super) stopped_partitions: BTreeSet<InputPartition>,
    /// Limits the line of a delayed processing.
    delay_limit: LogLimit,
    /// Limits the line of a delayed assignment.
    pub(super) assign_limit: LogLimit,
    /// Deferred inputs, with the causes.
    pub(super) deferred: BTreeMap<InputPartition, String>,
}

impl<'d, 'c, 'f, S: KafkaStage> Session<'d, 'c, 'f, S> {
    /// Creates a session over these clients. `None` if a client has no queue.
    pub(super) fn new(
        driver: &'d mut Driver<S>,
        clients: &'c Clients,
        followers: &'f Followers,
        side_inputs: &'d mut SideInputs<'f>,
        output: &'d mut Output,
    ) -> Option<Self>
    where
        'f: 'c,
    {
        let restoring = match &clients.restores {
            Some(consumer) => {
                let restores = driver.engine.stage().restores().to_vec();
                Some(Restoring::new(consumer, &followers.ends, restores, &driver.group, &driver.kafka)?)
            }
            None => None,
        };
        Some(Self {
            work: Poller::of(&clients.work)?,
            watchdog: Watchdog::new(timeouts::watchdog(&driver.kafka)),
            assignment: Assignment::new(driver.query_timeout()),
            driver,
            output,
            clients,
            followers,
            side_inputs,
            restoring,
            buffer: FetchBuffer::default(),
            rebalance_events: VecDeque::new(),
            busy: false,
            retry_soon: false,
            draining: false,
            lag: 0,
            record_ages: RecordAges::default(),
            oldest: Duration::ZERO,
            ends_known: true,
            delay_limit: LogLimit::default(),
            assign_limit: LogLimit::default(),
            status_updated: None,
            commit_requested: None,
            abandoned_commits: 0,
            paused: BTreeSet::new(),
            is_buffer_full: false,
            stopped_partitions: BTreeSet::new(),
            deferred: BTreeMap::new(),
        })
    }

    /// Runs iterations until the session ends.
    pub(super) fn run(&mut self) -> Result<Ended, DriverError> {
        let mut result = self.follow_globals();
        loop {
            match result {
                Ok(()) => result = self.iterate(),
                Err(Exit::Ended(ended)) => {
                    self.cancel_restorations();
                    self.publish_status(false);
                    return Ok(ended);
                }
                Err(Exit::Error(error)) => return Err(*error),
            }
        }
    }

    fn iterate(&mut self) -> Result<(), Exit> {
        (self.driver.observer.hooks.heartbeat)();
        self.begin_shutdown_drain();
        let fetched = self.fetch()?;
        self.busy |= fetched;
        self.retry_soon = false;
        self.read_tables()?;
        self.process();
        self.handle_rebalances()?;
        self.restore()?;
        self.receive_completions();
        self.receive_acknowledgements()?;
        self.time_out_last_commit();
        if !fetched {
            self.apply(Event::Tick);
        }
        self.settle_and_perform()?;
        self.update_status()
    }

    pub(super) fn apply(&mut self, event: Event<'_, S>) {
        let now = self.driver.now();
        self.driver.engine.apply(event, now);
    }

    /// Begins the drain if the shutdown is requested: no more records are fetched, and held records are resolved.
    fn begin_shutdown_drain(&mut self) {
        if self.draining || !self.driver.shutdown.is_requested() {
            return;
        }
        self.draining = true;
        self.pause(self.assignment.owned().map(|(input, _)| input));
        self.buffer.clear();
        self.cancel_restorations();
        self.apply(Event::ShutdownRequested);
    }

    fn read_tables(&mut self) -> Result<(), Exit> {
        let read = self.side_inputs.read(self.driver.engine.stage_mut());
        let read = read.map_err(|error| Exit::consumer_failed("tables", &error))?;
        if read > 0 {
            self.busy = true;
            self.driver.table_records += read;
            // Records that need the table may be ready.
            self.apply(Event::Tick);
        }
        Ok(())
    }

    /// Passes the buffered records to the engine. The ends of the tables are queried after the records were fetched and before they
    /// are processed: so the ends are after every table record that was acknowledged before the work records were produced.
    fn process(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let numbers = self.buffer.partitions();
        if let Err(error) = self.side_inputs.update_ends(&numbers, self.driver.engine.stage_mut()) {
            if let Some(suppressed) = self.delay_limit.admit(Instant::now()) {
                let group = &self.driver.group;
                tracing::warn!(group, %error, suppressed, "processing delayed: failed to fetch the ends of tables");
            }
            self.retry_soon = true;
            self.busy = false;
            return;
        }
        let (records, ends) = self.buffer.take();
        for run in records.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((input, last)) = run.last() else { continue };
            let topic = self.driver.inputs.topic(*input);
            self.assignment.set_position(*input, last.offset() + 1);
            self.record_ages.processed(*input, run[0].1.offset(), run[0].1.timestamp_ms());
            let epoch = self.driver.engine.epoch(*input);
            let mut run =
                run.iter().map(|(_, record)| (record.offset(), InRecord::of(topic, record).under(epoch)));
            self.apply(Event::Records(*input, &mut run));
        }
        for (input, offset) in ends {
            self.assignment.set_position(input, offset);
            self.apply(Event::EndReached(input, offset));
        }
    }
}

impl Exit {
    /// A producer failed.
    pub(super) fn producer_failed(error: CallError) -> Self {
        Self::Ended(if error.abandoned { Ended::Abandoned(error) } else { Ended::Broken(error) })
    }

    pub(super) fn broken(code: RDKafkaErrorCode, text: String) -> Self {
        Self::Ended(Ended::Broken(CallError::fatal(code, text)))
    }

    /// A consumer failed and cannot be used any more.
    pub(super) fn consumer_failed(consumer: &str, error: &ConsumerError) -> Self {
        Self::broken(RDKafkaErrorCode::Fail, format!("{consumer}: {error}"))
    }
}

impl From<DriverError> for Exit {
    fn from(error: DriverError) -> Self {
        Self::Error(Box::new(error))
    }
}
