//! The executor: requests for ranges in; bars, progress, coverage and one terminal event each out. Coverage is its table.
//!
//! ```text
//!  judge ─► held ─► gate ───────────► gathering ─► fetch ─► chunk ─► chunk … ─► terminal event
//!             its coverage was read    (2 to 30 s)   bars, progress and coverage: one emission a chunk
//! ```
//! What the parts do: `admit` judges, `gate` keeps a request back until its partition's coverage was read, `fetching` runs fetches chunk
//! by chunk, `ending` says how a request ended, `answer` writes the events, `table` restores coverage.
//!
//! **Order.** Requests end by priority and by what their fetches need: the stage reorders (P8).
//!
//! **Drain.** A request of which a worker has a chunk is waited for until that chunk has left; all others are given back at once, and
//! come again to the next owner, whose coverage has every chunk that left: it fetches the rest.
//!
//! **Restart.** What ended within the dedup window is read again (`answered`), so that an attempt never ends twice. That a request
//! has succeeded isn't found again, only under what name: the same asked once more is its next attempt, which finds all of it covered.

mod admit;
mod answer;
mod backoff;
mod draining;
mod ending;
mod fetching;
mod gate;
mod table;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::Topic;
use domain::Timestamp;
use kafka_io::{InRecord, OutRecord, Restore, Wire};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};

use crate::rules::answered::Answered;
use crate::rules::chunks::ChunkDays;
use crate::rules::coalesce::{Coalescer, FetchId, Limits};
use crate::rules::coverage::Coverage;
use crate::rules::timeframes::Timeframes;
use crate::sources::Source;
use crate::work::{Done, Job};

use backoff::Backoff;
use ending::Request;
use fetching::Running;
use gate::Gate;

/// The input topic.
pub const INPUT: Topic = Topic::RangeRequested;

/// How often what ended long ago is forgotten, without any traffic.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// How often a chunk is asked for, and how long to wait in between.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Calls for one chunk before it is given up.
    pub attempts_max: u32,
    /// The longest wait after the first failure; doubles with each.
    pub backoff_first: Duration,
    /// The longest wait of all.
    pub backoff_max: Duration,
}

/// What an operator may turn.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long requests gather, how many fetches run, how many requests may wait.
    pub limits: Limits,
    /// How long after a success the same request is a duplicate.
    pub dedup_window: Duration,
    /// Ended requests that a partition remembers at most.
    pub partition_ends_max: usize,
    /// What is done about a source's faults.
    pub retries: Retries,
    /// The timeframes that are filled at all.
    pub timeframes: Timeframes,
    /// How long a chunk is.
    pub chunk_days: ChunkDays,
}

/// Who asks the source. Each job taken comes back as a [`Done`] through the driver.
pub trait Workers: Send {
    /// Starts a job; at most `most_running` of [`Limits`] are under way.
    ///
    /// # Errors
    /// The job, unstarted, when no worker can take it.
    fn start(&self, job: Job) -> Result<(), Job>;
}

/// The stage.
pub struct ExecutorStage {
    wire: Wire,
    source: Arc<dyn Source>,
    settings: Settings,
    workers: Box<dyn Workers>,
    backoff: Backoff,
    answered: Answered,
    gate: Gate,
    coalescer: Coalescer<RecordId, ()>,
    /// Every held request.
    requests: BTreeMap<RecordId, Request>,
    running: BTreeMap<FetchId, Running>,
    coverage: Coverage,
    skipped_coverage: u64,
    /// Partitions that are about to go.
    leaving: BTreeSet<i32>,
    restores: [Restore; 2],
    restored: u64,
    restore_skipped: u64,
}

impl ExecutorStage {
    /// A stage that owns nothing yet. `seed` is that of its waits: the same seed waits the same.
    #[must_use]
    pub fn new(
        wire: Wire,
        source: Arc<dyn Source>,
        settings: Settings,
        workers: Box<dyn Workers>,
        seed: u64,
    ) -> Self {
        let window_micros = i64::try_from(settings.dedup_window.as_micros()).unwrap_or(i64::MAX);
        Self {
            wire,
            source,
            workers,
            backoff: Backoff::new(settings.retries.backoff_first, settings.retries.backoff_max, seed),
            answered: Answered::new(window_micros, settings.partition_ends_max),
            gate: Gate::default(),
            coalescer: Coalescer::new(settings.limits),
            requests: BTreeMap::new(),
            running: BTreeMap::new(),
            coverage: Coverage::new(),
            skipped_coverage: 0,
            leaving: BTreeSet::new(),
            restores: table::ends(settings.dedup_window),
            restored: 0,
            restore_skipped: 0,
            settings,
        }
    }

    /// Lets requests into fetches, tries again what has waited long enough, and starts what has gathered long enough.
    fn advance(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        for id in self.gate.pass() {
            if let Some(request) = self.requests.get(&id) {
                self.coalescer.add(&request.wanted(), now.monotonic);
            }
        }
        self.try_again(now, effects);
        while let Some(fetch) = self.coalescer.start(now.monotonic) {
            self.begin(fetch, now, effects);
        }
    }

    /// A request whose fetches have all ended.
    fn end(&mut self, id: RecordId, now: Now, effects: &mut Effects<OutRecord>) {
        let Some(request) = self.requests.remove(&id) else { return };
        effects.push(match self.terminal(&request, now) {
            Ok(record) => {
                let urgent = request.priority.is_urgent();
                Effect::Emit { ids: vec![id], outputs: vec![record], urgent }
            }
            Err(fault) => self.wire.reject_unwritable(INPUT, id, &fault),
        });
    }

    /// All that is known of a partition goes: its requests, what was asked and covered, and where its table stood.
    fn forget(&mut self, partition: i32) {
        let is_gone = |id: &RecordId| id.input.partition == partition;
        self.leaving.remove(&partition);
        self.requests.retain(|id, _| !is_gone(id));
        self.gate.forget(partition);
        self.answered.released(partition);
        self.coverage.released(partition);
        for id in self.coalescer.released(is_gone) {
            self.stop(id);
        }
    }
}

impl Stage for ExecutorStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = Done;

    fn assigned(&mut self, _source: InputPartition, _epoch: Epoch, _now: Now) {
        // What belongs to a partition is made when its first record comes.
    }

    fn unassigned(&mut self, source: InputPartition) {
        // There is one input topic, so the partition's number goes with it.
        self.forget(source.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.admit(id, &record, now).unwrap_or_else(Verdict::Fail)
    }

    fn completed(&mut self, done: Done, now: Now, effects: &mut Effects<OutRecord>) {
        self.chunk_ended(done, now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.answered.expire(Timestamp::from_micros(now.wall_micros));
        self.advance(now, effects);
    }

    fn drain(&mut self, sources: &[InputPartition], _now: Now, effects: &mut Effects<OutRecord>) {
        let partitions = sources.iter().map(|source| source.partition).collect();
        self.leaving.extend(&partitions);
        self.give_back(&partitions, effects);
    }

    fn is_full(&self, _topic: u16) -> bool {
        self.coalescer.is_full() || self.gate.waiting() >= self.settings.limits.most_requests
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        let retry = self.running.values().filter_map(Running::due).min();
        let retry = retry.map(|due| due.saturating_sub(now.monotonic));
        [self.coalescer.next_wake(now.monotonic), retry, Some(EXPIRE_EVERY)].into_iter().flatten().min()
    }
}
