//! The life of one set of clients: from joining the group until the stage stops or a client is of no further use.
//!
//! One turn of the loop: fetch, read the tables, judge, answer the group, restore, take completions and acknowledgements, settle,
//! perform. The only place where it waits is the fetch; completions, acknowledgements and tables end that wait. Fetching is in
//! `fetching.rs`, which partitions flow in `flow.rs`, what the group gives and takes in `membership.rs`, the second half of a turn in `turn.rs`, what others
//! are told in `telling.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use pipeline::{Event, InputPartition, Stop};
use rdkafka::error::RDKafkaErrorCode;

use super::Driver;
use super::beside::Beside;
use super::clients::Clients;
use super::error::DriverError;
use super::group::{Change, Group};
use super::output::Output;
use super::restoring::Restoring;
use super::stage::KafkaStage;
use super::waiting::Waiting;
use super::waits::Waits;
use super::watchdog::Watchdog;
use crate::call_error::CallError;
use crate::client::LogContext;
use crate::raw::Poller;
use crate::record::InRecord;

/// Why a session ends.
pub(super) enum Ended {
    Stopped(Stop),
    Broken(CallError),
    /// Records wait that the client doesn't fetch.
    Stalled,
}

/// What ends a session, from anywhere within a turn.
pub(super) enum Exit {
    Ended(Ended),
    Error(Box<DriverError>),
}

pub(super) struct Session<'d, 'c, S: KafkaStage> {
    pub(super) driver: &'d mut Driver<S>,
    pub(super) output: &'d mut Output,
    pub(super) clients: &'c Clients,
    pub(super) beside: Beside<'c>,
    pub(super) restoring: Option<Restoring<'c>>,
    pub(super) watchdog: Watchdog<InputPartition>,
    pub(super) group: Group,
    pub(super) work: Poller<'c, LogContext>,
    pub(super) waiting: Waiting<'c>,
    pub(super) changes: VecDeque<Change>,
    /// Something happened in this turn, so more may wait: the next fetch doesn't.
    pub(super) busy: bool,
    /// A question to the cluster wasn't answered: what depends on it waits.
    pub(super) unanswered: bool,
    pub(super) draining: bool,
    pub(super) lag: u64,
    pub(super) waits: Waits,
    /// How long the oldest record that isn't settled has been waiting.
    pub(super) oldest: Duration,
    pub(super) looked_up: Option<Instant>,
    /// When the plain commit that isn't answered was asked for.
    pub(super) commit_asked: Option<Instant>,
    /// Commits that were not waited for to the end: so many answers concern nobody.
    pub(super) late_commits: u32,
    /// What the engine has paused.
    pub(super) paused: BTreeSet<InputPartition>,
    /// What was fetched can't be judged: everything is paused, and the group is still heard.
    pub(super) choked: bool,
    pub(super) stopped_partitions: BTreeSet<InputPartition>,
    /// Inputs whose records can't be judged now, and why.
    pub(super) deferred: BTreeMap<InputPartition, String>,
}

impl<'d, 'c, S: KafkaStage> Session<'d, 'c, S> {
    /// A session over these clients; none when they lack a queue.
    pub(super) fn new(
        driver: &'d mut Driver<S>,
        clients: &'c Clients,
        output: &'d mut Output,
    ) -> Option<Self> {
        let query_timeout = Duration::from_millis(driver.kafka.query_timeout_ms.into());
        let beside = Beside::new(clients, driver.engine.stage(), &driver.group, &driver.kafka)?;
        let restoring = match &clients.restores {
            Some(consumer) => {
                let restores = driver.engine.stage().restores().to_vec();
                Some(Restoring::new(consumer, &clients.ends, restores, &driver.group, &driver.kafka)?)
            }
            None => None,
        };
        let watchdog = Watchdog::new(Duration::from_millis(driver.kafka.watchdog_ms.into()));
        Some(Self {
            work: Poller::of(&clients.work)?,
            driver,
            output,
            clients,
            beside,
            restoring,
            watchdog,
            group: Group::new(query_timeout),
            waiting: Waiting::default(),
            changes: VecDeque::new(),
            busy: false,
            unanswered: false,
            draining: false,
            lag: 0,
            waits: Waits::default(),
            oldest: Duration::ZERO,
            looked_up: None,
            commit_asked: None,
            late_commits: 0,
            paused: BTreeSet::new(),
            choked: false,
            stopped_partitions: BTreeSet::new(),
            deferred: BTreeMap::new(),
        })
    }

    /// Turns until something ends it.
    pub(super) fn run(&mut self) -> Result<Ended, DriverError> {
        // What every instance has doesn't wait for the group.
        let mut passed = self.follow_tables();
        loop {
            match passed {
                Ok(()) => passed = self.turn(),
                Err(Exit::Ended(ended)) => {
                    self.abandon_restoring();
                    self.tell(false);
                    self.beside.leave(self.driver.engine.stage_mut());
                    return Ok(ended);
                }
                Err(Exit::Error(error)) => return Err(*error),
            }
        }
    }

    fn turn(&mut self) -> Result<(), Exit> {
        (self.driver.observer.hooks.heartbeat)();
        self.begin_to_drain();
        let fetched = self.fetch()?;
        self.busy |= fetched;
        self.unanswered = false;
        self.read_tables()?;
        self.process();
        self.answer_group()?;
        self.restore()?;
        self.take_completions();
        self.take_acknowledgements()?;
        self.bound_last_commit();
        if !fetched {
            self.apply(Event::Tick);
        }
        self.settle_and_perform()?;
        self.observe()
    }

    pub(super) fn apply(&mut self, event: Event<'_, S>) {
        let now = self.driver.now();
        self.driver.engine.apply(event, now);
    }

    /// The end was asked for: nothing new is fetched, what is held drains.
    fn begin_to_drain(&mut self) {
        if self.draining || !self.driver.shutdown.is_requested() {
            return;
        }
        self.draining = true;
        self.pause(self.group.owned().map(|(input, _)| input));
        self.waiting.clear();
        self.abandon_restoring();
        self.apply(Event::ShutdownRequested);
    }

    fn read_tables(&mut self) -> Result<(), Exit> {
        let read = self.beside.read(self.driver.engine.stage_mut());
        let read = read.map_err(|fault| Exit::lost("tables", fault))?;
        if read > 0 {
            self.busy = true;
            self.driver.table_records += read;
            // What waited for the table may be ready.
            self.apply(Event::Tick);
        }
        Ok(())
    }

    /// Hands what was fetched to the engine. The ends of the tables are asked after the records were fetched and before they
    /// are judged: so they lie behind everything that was acknowledged before the records were produced.
    fn process(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let numbers = self.waiting.partitions();
        if let Err(error) = self.beside.tell_ends(&numbers, self.driver.engine.stage_mut()) {
            tracing::warn!(group = self.driver.group, error, "work waits for the ends of its tables");
            self.unanswered = true;
            self.busy = false;
            return;
        }
        let (records, ends) = self.waiting.take();
        for run in records.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((input, last)) = run.last() else { continue };
            let topic = self.driver.inputs.topic(*input);
            self.group.fetched(*input, last.offset() + 1);
            self.waits.processed(*input, run[0].1.offset(), run[0].1.timestamp_ms());
            let epoch = self.driver.engine.epoch(*input);
            let mut run =
                run.iter().map(|(_, record)| (record.offset(), InRecord::of(topic, record).under(epoch)));
            self.apply(Event::Records(*input, &mut run));
        }
        for (input, offset) in ends {
            self.group.fetched(input, offset);
            self.apply(Event::EndReached(input, offset));
        }
    }
}

impl Exit {
    pub(super) fn broken(code: RDKafkaErrorCode, text: String) -> Self {
        Self::Ended(Ended::Broken(CallError::fatal(code, text)))
    }

    /// A client beside the group's is of no further use.
    pub(super) fn lost(client: &str, cause: String) -> Self {
        Self::broken(RDKafkaErrorCode::Fail, format!("{client}: {cause}"))
    }
}

impl From<DriverError> for Exit {
    fn from(error: DriverError) -> Self {
        Self::Error(Box::new(error))
    }
}
