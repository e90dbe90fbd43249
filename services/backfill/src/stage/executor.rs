//! Executor stage: requests for ranges in; bars, news, corporate actions, progress, coverage and one terminal event per attempt out.
//!
//! ```text
//!  process ─► held ─► coverage gate ─────► gathering ─► fetch ─► chunk ─► chunk … ─► terminal event
//!                     (coverage restored)  (2 to 30 s)           one transaction each: records, progress, coverage
//! ```
//!
//! | module | content |
//! |---|---|
//! | `admission` | the verdict on a request record |
//! | `coverage_gate`, `coverage_table` | delays requests until the coverage of their partition is restored; that coverage |
//! | `fetching`, `fetch_run` | runs fetches chunk by chunk, with retries |
//! | `pacing` | suspends fetches whose bars would exceed the pace of their partition |
//! | `cancellation` | requests that end others |
//! | `refetching`, `refetch_notes`, `refetch_order` | requests that fetch covered ranges again |
//! | `chunk_results` | writes the records of a chunk, and covers it up to the horizon of the source |
//! | `source_guard` | stops calls to a source that fails |
//! | `request`, `endings` | the state of a held request; its terminal event |
//! | `event_writer`, `record_events` | the output events |
//! | `keeping`, `keeper_passes`, `kept_series` | requests the holes of wanted series |
//! | `live_feed` | the bars that other producers write, which complete sessions |
//! | `drain` | releases requests before a revocation |
//! | `side_inputs`, `restored_ends` | the restored coverage and terminal events |
//!
//! **Order.** Requests end by priority and by the duration of their fetches: the stage reorders (law P8).
//!
//! **Drain.** The stage finishes the chunk that a worker has and releases all other requests at once. They are redelivered to the next owner,
//! which restores the coverage of each written chunk and fetches the rest.
//!
//! **Restart.** The stage restores the terminal events of the dedup window, so that no attempt ends twice. They do not contain the identity of
//! their request: after a restart, a duplicate is the next attempt, which finds everything covered.

mod admission;
mod cancellation;
mod chunk_results;
mod coverage_gate;
mod coverage_table;
mod drain;
mod endings;
mod event_writer;
mod fetch_run;
mod fetching;
mod keeper_passes;
mod keeping;
mod kept_series;
mod live_feed;
mod pacing;
mod record_events;
mod refetch_notes;
mod refetch_order;
mod refetching;
mod request;
mod restored_ends;
mod side_inputs;
mod source_guard;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chassis::telemetry::Scope;
use contracts::Topic;
use domain::Timestamp;
use kafka_io::{BreakerMeters, InRecord, OutRecord, Wire};
use kit::{Backoff, Jitter, SaturatingFrom};
use pipeline::{Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::owned_partitions::OwnedPartitions;
use crate::range_counts::RangeCounts;
use crate::rules::attempts::Attempts;
use crate::rules::bar_pace::BarPace;
use crate::rules::chunks::ChunkDays;
use crate::rules::coalescer::{Coalescer, FetchId, Limits};
use crate::rules::keeper::Keeper;
use crate::rules::live_bars::{LiveBars, LiveLimits};
use crate::rules::timeframes::Timeframes;
use crate::sources::Source;
use crate::worker::{Job, JobResult};

use self::coverage_table::CoverageTable;
use self::event_writer::EventWriter;
use self::fetch_run::FetchRun;
use self::keeper_passes::Keeping;
use self::refetch_order::RefetchOrder;
use self::request::Request;
use self::restored_ends::RestoredEnds;
use self::source_guard::SourceGuard;

pub use self::keeper_passes::{OPEN_REQUESTS_MAX, SOURCE as KEEPER_SOURCE};
pub use self::source_guard::SourceHook;

/// The input topic.
pub const INPUT: Topic = Topic::RangeRequested;

/// The maximum time between two ticks: ended attempts expire without traffic as well.
const TICK_MAX: Duration = Duration::from_secs(60);

/// Retries of a chunk.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// The maximum number of calls to the source for one chunk.
    pub attempts_max: u32,
    /// The upper bound of the wait after each failed call; the wait has full jitter.
    pub backoff: Backoff,
}

/// The settings of the stage.
#[derive(Debug, Clone)]
pub struct Settings {
    pub limits: Limits,
    /// The time after a success in which the same request is a duplicate.
    pub dedup_window: Duration,
    /// The maximum number of ended attempts that a partition keeps.
    pub partition_ends_max: usize,
    pub retries: Retries,
    /// The bars that are written into each partition in a second, on average. 0: no limit.
    pub partition_bars_per_s: u32,
    /// The timeframes that are fetched.
    pub timeframes: Timeframes,
    pub chunk_days: ChunkDays,
    /// The time after the close of a bar below a day until it counts as final.
    pub settle: Duration,
    /// `None`: holes are not requested.
    pub keeper: Option<Keeper>,
    /// `None`: live bars are not followed.
    pub live_bars: Option<LiveLimits>,
}

/// The workers that call the source. The [`JobResult`] of each accepted job reaches the stage as a completion of the driver.
pub trait Workers: Send {
    /// Starts a job; at most `running_max` of [`Limits`] are started at once.
    ///
    /// # Errors
    /// The job, if no worker accepts it.
    fn start(&self, job: Job) -> Result<(), Job>;
}

/// The executor stage.
pub struct ExecutorStage {
    wire: Wire,
    events: EventWriter,
    source: Arc<dyn Source>,
    settings: Settings,
    workers: Box<dyn Workers>,
    /// The random numbers of the jitter.
    rng: Pcg64Mcg,
    attempts: Attempts,
    restored_ends: RestoredEnds,
    table: CoverageTable,
    keeping: Keeping,
    refetches: RefetchOrder,
    live: Option<LiveBars>,
    coalescer: Coalescer<RecordId, ()>,
    /// All held requests.
    requests: BTreeMap<RecordId, Request>,
    runs: BTreeMap<FetchId, FetchRun>,
    /// Partitions before their revocation.
    draining: BTreeSet<i32>,
    counts: RangeCounts,
    owned: OwnedPartitions,
    guard: SourceGuard,
    pace: BarPace,
    /// Too many outputs were not acknowledged when the fetches were last advanced.
    has_queued_bars: bool,
}

impl ExecutorStage {
    /// Returns a stage without partitions. The same `seed` leads to the same waits between retries.
    #[must_use]
    pub fn new(
        wire: Wire,
        source: Arc<dyn Source>,
        settings: Settings,
        workers: Box<dyn Workers>,
        seed: u64,
    ) -> Self {
        let window_micros = i64::saturating_from(settings.dedup_window.as_micros());
        Self {
            events: EventWriter::new(wire.clone(), source.name()),
            wire,
            source,
            workers,
            rng: Pcg64Mcg::seed_from_u64(seed),
            attempts: Attempts::new(window_micros, settings.partition_ends_max),
            restored_ends: RestoredEnds::new(settings.dedup_window),
            table: CoverageTable::default(),
            keeping: Keeping::default(),
            refetches: RefetchOrder::default(),
            live: settings.live_bars.map(LiveBars::new),
            coalescer: Coalescer::new(settings.limits),
            requests: BTreeMap::new(),
            runs: BTreeMap::new(),
            draining: BTreeSet::new(),
            counts: RangeCounts::new(&Scope::nowhere()),
            owned: OwnedPartitions::default(),
            guard: SourceGuard::unreported(),
            pace: BarPace::new(settings.partition_bars_per_s),
            has_queued_bars: false,
            settings,
        }
    }

    /// Counts ended requests with these counters; without them, they are not counted.
    #[must_use]
    pub fn with_counts(mut self, counts: RangeCounts) -> Self {
        self.counts = counts;
        self
    }

    /// Keeps the owned partitions in this set.
    #[must_use]
    pub fn with_owned_partitions(mut self, owned: OwnedPartitions) -> Self {
        self.owned = owned;
        self
    }

    /// Reports the state of the source's circuit breaker by these metrics, and its cause to this hook.
    #[must_use]
    pub fn with_source_guard(mut self, meters: BreakerMeters, hook: Box<SourceHook>) -> Self {
        self.guard = SourceGuard::new(meters, hook);
        self
    }

    /// Adds the requests that pass the gate to fetches, retries the chunks whose wait has ended, and starts the fetches that are due or
    /// resumes those that the pace admits.
    fn advance(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        for id in self.table.gate.pass() {
            match self.requests.get(&id) {
                Some(request) if request.event.refetch => self.refetches.add(id),
                Some(request) => self.coalescer.add(&request.demand(), now.monotonic),
                None => {}
            }
        }
        self.start_refetches(now.monotonic);
        self.retry_due(now, effects);
        loop {
            let has_resumed = self.resume_paced(now, effects);
            match self.coalescer.start(now.monotonic) {
                Some(fetch) => self.begin(fetch, now, effects),
                None if !has_resumed => return,
                None => {}
            }
        }
    }

    /// Returns `true` if the requests that have not reached the fetches are as many as those may be.
    fn has_many_waiting(&self) -> bool {
        self.table.gate.waiting() + self.refetches.waiting() >= self.settings.limits.requests_max
    }

    /// Returns the wait after this number of failed calls, between zero and the backoff.
    fn retry_wait(&mut self, failures: u32) -> Duration {
        Jitter::Full(self.rng.next_u64()).of(self.settings.retries.backoff.wait_after(failures))
    }

    /// Removes the state of a partition: its requests, attempts and coverage.
    fn remove_partition(&mut self, partition: i32) {
        let is_removed = |id: &RecordId| id.input.partition == partition;
        self.draining.remove(&partition);
        self.requests.retain(|id, _| !is_removed(id));
        self.refetches.retain(|id| !is_removed(id));
        self.table.remove(partition);
        self.keeping.remove(partition);
        self.attempts.remove(partition);
        for id in self.coalescer.remove(is_removed) {
            self.stop(id);
        }
    }
}

impl Stage for ExecutorStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = JobResult;

    fn assigned(&mut self, input: InputPartition, epoch: Epoch, _now: Now) {
        self.owned.add(input.partition);
        self.keeping.assigned(input.partition, epoch);
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.owned.remove(input.partition);
        // The stage has one input topic, so the number identifies the partition.
        self.remove_partition(input.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.admit(id, &record, now, effects)
    }

    fn reached_end(&mut self, input: InputPartition) {
        self.keeping.caught_up(input.partition);
    }

    fn completed(&mut self, result: JobResult, now: Now, effects: &mut Effects<OutRecord>) {
        self.chunk_ended(result, now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.attempts.expire(Timestamp::from_micros(now.wall_micros));
        self.advance(now, effects);
        self.keep(now, effects);
    }

    fn drain(&mut self, inputs: &[InputPartition], _now: Now, effects: &mut Effects<OutRecord>) {
        let partitions = inputs.iter().map(|input| input.partition).collect();
        self.draining.extend(&partitions);
        self.release(&partitions, effects);
    }

    fn is_full(&self, _topic: u16) -> bool {
        self.is_source_held() || self.coalescer.is_full() || self.has_many_waiting()
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        let retry = self.runs.values().filter_map(FetchRun::due).min();
        let retry = retry.map(|due| due.saturating_sub(now.monotonic));
        let is_ready = |partition| !self.draining.contains(&partition) && self.has_live_bars(partition);
        let keeper =
            self.keeping.next_wake(now.monotonic, is_ready).filter(|_| self.settings.keeper.is_some());
        let resume = self.next_resume(now);
        let fetches = self.coalescer.next_wake(now.monotonic);
        [fetches, resume, retry, keeper, Some(TICK_MAX)].into_iter().flatten().min()
    }
}
