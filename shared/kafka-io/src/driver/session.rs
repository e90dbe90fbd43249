//! The life of one set of clients: from joining the group until the stage stops or a client is of no further use.
//!
//! One turn of the loop: fetch, read the tables, judge, answer the group, take completions and acknowledgements, settle, perform.
//! The only place where it waits is the fetch; completions, acknowledgements and tables end that wait.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use pipeline::{Event, Source, Stop};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::Driver;
use super::clients::{self, Clients};
use super::error::DriverError;
use super::group::{Change, Group};
use super::output::Output;
use super::stage::KafkaStage;
use super::tables::{TableFault, Tables};
use super::waiting::Waiting;
use crate::client::LogContext;
use crate::fault::CallFault;
use crate::raw::{Polled, Poller};
use crate::record::InRecord;

/// Longest wait of an idle loop: the pace of the heartbeat, and of noticing what nobody announces.
const IDLE: Duration = Duration::from_millis(100);

/// Wait before a question that nobody answered is asked again.
const RETRY: Duration = Duration::from_millis(20);

/// Why a session ends.
pub(super) enum Ended {
    Stopped(Stop),
    Broken(CallFault),
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
    pub(super) tables: Option<Tables<'c>>,
    pub(super) group: Group,
    pub(super) work: Poller<'c, LogContext>,
    waiting: Waiting<'c>,
    changes: VecDeque<Change>,
    /// Something happened in this turn, so more may wait: the next fetch doesn't.
    pub(super) busy: bool,
    /// A question to the cluster wasn't answered: what depends on it waits.
    unanswered: bool,
    pub(super) draining: bool,
    pub(super) lag: u64,
    pub(super) looked_up: Option<Instant>,
    /// When the plain commit that isn't answered was asked for.
    pub(super) commit_asked: Option<Instant>,
    /// Commits that were not waited for to the end: so many answers concern nobody.
    pub(super) late_commits: u32,
    /// What the engine has paused.
    pub(super) paused: BTreeSet<Source>,
    /// What was fetched can't be judged: everything is paused, and the group is still heard.
    pub(super) choked: bool,
    pub(super) poisoned: BTreeSet<Source>,
}

impl<'d, 'c, S: KafkaStage> Session<'d, 'c, S> {
    /// A session over these clients; none when they lack a queue.
    pub(super) fn new(
        driver: &'d mut Driver<S>,
        clients: &'c Clients,
        output: &'d mut Output,
    ) -> Option<Self> {
        let query_timeout = Duration::from_millis(driver.kafka.query_timeout_ms.into());
        let topics = driver.engine.stage().tables().to_vec();
        let tables = match &clients.tables {
            Some(consumer) => Some(Tables::new(consumer, &clients.ends, topics, query_timeout)?),
            None => None,
        };
        Some(Self {
            work: Poller::of(&clients.work)?,
            driver,
            output,
            clients,
            tables,
            group: Group::new(query_timeout),
            waiting: Waiting::default(),
            changes: VecDeque::new(),
            busy: false,
            unanswered: false,
            draining: false,
            lag: 0,
            looked_up: None,
            commit_asked: None,
            late_commits: 0,
            paused: BTreeSet::new(),
            choked: false,
            poisoned: BTreeSet::new(),
        })
    }

    /// Turns until something ends it.
    pub(super) fn run(&mut self) -> Result<Ended, DriverError> {
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(Exit::Ended(ended)) => {
                    self.tell();
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
        self.judge();
        self.answer_group()?;
        self.take_completions();
        self.take_acknowledgements()?;
        self.bound_last_commit();
        if !fetched {
            self.apply(Event::Tick);
        }
        self.settle_and_perform()?;
        self.observe();
        Ok(())
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
        self.pause(self.group.owned().map(|(source, _)| source));
        self.waiting.clear();
        self.apply(Event::ShutdownRequested);
    }

    /// Records that can't be judged must not pile up, yet a member that doesn't poll loses its partitions.
    fn choke(&mut self) {
        let full = self.waiting.is_full();
        if full {
            // Each time: what was assigned meanwhile flows.
            self.pause(self.group.owned().map(|(source, _)| source));
        } else if self.choked && !self.draining {
            self.resume(self.group.owned().map(|(source, _)| source).filter(|s| !self.paused.contains(s)));
        }
        self.choked = full;
    }

    fn wait(&self) -> Duration {
        if self.busy {
            return Duration::ZERO;
        }
        let longest = if self.unanswered { RETRY } else { IDLE };
        let wake = self.driver.engine.next_wake(self.driver.now()).map_or(longest, |wake| wake.min(longest));
        // librdkafka waits whole milliseconds: a part of one would spin.
        Duration::from_millis(wake.as_micros().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
    }

    /// Fetches until nothing waits, enough is there, or the group wants something. Whether anything came.
    fn fetch(&mut self) -> Result<bool, Exit> {
        self.choke();
        let before = self.waiting.len();
        let mut wait = self.wait();
        self.busy = false;
        loop {
            match self.work.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(record) => {
                    if let Some(source) = self.current(record.topic(), record.partition()) {
                        self.waiting.push(source, record);
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(source) = self.current(&topic, partition) {
                        self.waiting.end(source, offset);
                    }
                }
                Polled::Assign(partitions) => {
                    self.changes.push_back(Change::Assign(partitions));
                    break;
                }
                Polled::Revoke(partitions) => {
                    self.changes.push_back(Change::Revoke(partitions));
                    break;
                }
                Polled::Committed(_) if self.late_commits > 0 => self.late_commits -= 1,
                Polled::Committed(answer) => self.commit_answered(answer),
                Polled::Failed { code, fatal, text, at } => self.fetch_failed(code, fatal, text, at)?,
            }
            if self.waiting.is_full() && self.waiting.len() > before {
                break;
            }
            wait = Duration::ZERO;
        }
        let fetched = self.waiting.len() - before;
        if fetched > 0 {
            self.driver.observer.fetched(fetched);
        }
        Ok(fetched > 0)
    }

    /// The source of a record that is to be judged: none while draining, and none for what is not ours.
    fn current(&self, topic: &str, partition: i32) -> Option<Source> {
        let source = self.driver.inputs.source(topic, partition)?;
        (!self.draining && self.group.owns(source)).then_some(source)
    }

    fn fetch_failed(
        &self,
        code: RDKafkaErrorCode,
        fatal: bool,
        text: String,
        at: Option<(String, i32, i64)>,
    ) -> Result<(), Exit> {
        if let (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange, Some(at)) = (code, at)
        {
            let (topic, partition, offset) = at;
            let group = self.driver.group.clone();
            return Err(DriverError::MissingOffset { group, topic, partition, offset }.into());
        }
        if fatal {
            return Err(Exit::broken(code, text));
        }
        tracing::warn!(group = self.driver.group, %code, text, "a fetch failed, it goes on by itself");
        Ok(())
    }

    fn read_tables(&mut self) -> Result<(), Exit> {
        let Some(tables) = &mut self.tables else { return Ok(()) };
        let read = tables.read(self.driver.engine.stage_mut()).map_err(Exit::from)?;
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
    fn judge(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some(tables) = &self.tables {
            let numbers = self.waiting.partitions();
            if let Err(error) = tables.ends(&numbers, self.driver.engine.stage_mut()) {
                tracing::warn!(group = self.driver.group, error, "work waits for the ends of its tables");
                self.unanswered = true;
                self.busy = false;
                return;
            }
        }
        let (records, ends) = self.waiting.take();
        for run in records.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((source, last)) = run.last() else { continue };
            let topic = self.driver.inputs.topic(*source);
            self.group.fetched(*source, last.offset() + 1);
            let mut run = run.iter().map(|(_, record)| (record.offset(), InRecord::of(topic, record)));
            self.apply(Event::Records(*source, &mut run));
        }
        for (source, offset) in ends {
            self.group.fetched(source, offset);
            self.apply(Event::EndReached(source, offset));
        }
    }

    fn answer_group(&mut self) -> Result<(), Exit> {
        if self.group.is_leaving() && self.clients.work.assignment_lost() {
            let sources = self.group.abandon();
            self.lose(&sources)?;
        }
        while let Some(change) = self.changes.pop_front() {
            self.busy = true;
            match change {
                Change::Assign(partitions) => {
                    if let Err(error) = self.assign(&partitions)? {
                        tracing::warn!(
                            group = self.driver.group,
                            error,
                            "an assignment waits for the group's offsets"
                        );
                        self.changes.push_front(Change::Assign(partitions));
                        (self.busy, self.unanswered) = (false, true);
                        return Ok(());
                    }
                }
                Change::Revoke(partitions) => self.revoke(&partitions)?,
            }
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &[(String, i32)]) -> Result<Result<(), String>, Exit> {
        let sources = self.driver.inputs.sources(partitions);
        let (starts, list) = match self.group.starts(self.clients, &self.driver.inputs, &sources) {
            Ok(starts) => starts,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = clients::assign(&self.clients.work, &list) {
            // The group has moved on meanwhile: what it says next is what counts.
            tracing::warn!(group = self.driver.group, error, "an assignment was not taken");
            return Ok(Ok(()));
        }
        tracing::info!(group = self.driver.group, partitions = starts.len(), "assigned");
        self.group.add(&starts);
        self.apply(Event::Assigned(&starts));
        if self.draining {
            self.pause(self.group.owned().map(|(source, _)| source));
        }
        self.follow_tables()?;
        Ok(Ok(()))
    }

    fn revoke(&mut self, partitions: &[(String, i32)]) -> Result<(), Exit> {
        let sources = self.driver.inputs.sources(partitions);
        self.waiting.forget(&sources);
        if self.clients.work.assignment_lost() {
            return self.lose(&sources);
        }
        if sources.is_empty() {
            return self.give_back(&sources);
        }
        tracing::info!(group = self.driver.group, partitions = sources.len(), "revoked, draining");
        let list: Vec<Source> = sources.iter().copied().collect();
        self.group.begin_leaving(sources);
        self.apply(Event::Revoked(&list));
        Ok(())
    }

    fn lose(&mut self, sources: &BTreeSet<Source>) -> Result<(), Exit> {
        self.waiting.forget(sources);
        tracing::warn!(group = self.driver.group, partitions = sources.len(), "lost to another member");
        let list: Vec<Source> = sources.iter().copied().collect();
        self.apply(Event::Lost(&list));
        self.give_back(sources)
    }

    pub(super) fn give_back(&mut self, sources: &BTreeSet<Source>) -> Result<(), Exit> {
        if let Err(error) = clients::unassign(&self.clients.work, &self.driver.inputs.list(sources)) {
            tracing::warn!(group = self.driver.group, error, "partitions were not given back");
        }
        self.group.remove(sources);
        self.paused.retain(|source| !sources.contains(source));
        self.follow_tables()
    }

    fn follow_tables(&mut self) -> Result<(), Exit> {
        let numbers = self.group.numbers();
        match &mut self.tables {
            Some(tables) => tables.follow(&numbers, self.driver.engine.stage_mut()).map_err(Exit::from),
            None => Ok(()),
        }
    }
}

impl Exit {
    pub(super) fn broken(code: RDKafkaErrorCode, text: String) -> Self {
        Self::Ended(Ended::Broken(CallFault::fatal(code, text)))
    }
}

impl From<TableFault> for Exit {
    fn from(fault: TableFault) -> Self {
        match fault {
            TableFault::Broken(cause) => Self::broken(RDKafkaErrorCode::Fail, format!("tables: {cause}")),
            TableFault::Unreadable { topic, partition, offset, cause } => {
                DriverError::TableUnreadable { topic, partition, offset, cause }.into()
            }
        }
    }
}

impl From<DriverError> for Exit {
    fn from(error: DriverError) -> Self {
        Self::Error(Box::new(error))
    }
}
