//! The feature stage: requests in, vectors and failures out; bars beside them as a table.
//!
//! A request is admitted (decoded, checked, deduplicated), waits for the bars that were acknowledged before it and for a worker,
//! is computed, and ends whole: every symbol in a vector or a failure, all in one emission.
//!
//! **Order.** Requests end by priority, then by age: the stage reorders (P8).
//!
//! **Drain.** What workers have is waited for; requests that no worker has are given back at once, and come again to the next owner.
//!
//! **Restart.** Requests that have ended don't come again. What was asked lately is forgotten (`intake::recent`): a request like one
//! that was asked just before the restart is computed, where it would have ended as a duplicate. It still ends once.

mod admit;
mod answer;
mod benchmarks;
mod table;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use contracts::{FeatureRequest, Topic};
use domain::{Symbol, Timeframe, Timestamp};
use kafka_io::{InRecord, OutRecord, Wire};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};

use self::benchmarks::BenchmarkBars;
use crate::intake::{Lane, Queue, Recent, Release};
use crate::rules::{self, History};
use crate::work::{Done, Job, SymbolJob};

/// The input topics, in the order of subscription: a source's `topic` is an index into it.
pub const INPUTS: [Topic; 2] = [Topic::BatchRequested, Topic::BatchUrgent];

/// What it reads beside its inputs: the bars of its symbols, and those of the benchmarks.
const TABLE: Topic = Topic::BarClosed;

/// Attempts at a request before it ends in a failure: a panic or a stuck worker may be bad luck once or twice.
pub const ATTEMPTS_MAX: u32 = 3;

/// How often waiting requests are looked through for expired ones.
const EXPIRY_LOOK: Duration = Duration::from_secs(1);

/// Requests in the workers' hands at once for one symbol. (ADR 042)
const RUNNING_PER_SYMBOL_MAX: usize = 10;

/// The stage's limits, as `DOMAIN` names them.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Ordinary requests that may wait.
    pub ordinary_max: usize,
    /// Urgent requests that may wait.
    pub urgent_max: usize,
    /// Time from `requested_at` after which a request expires.
    pub request_ttl: Duration,
    /// How long the same symbol, timeframe, sets and time are answered once.
    pub dedup_window: Duration,
    /// How many symbols of requests are remembered for it.
    pub dedup_symbols_max: usize,
    /// Bars of a window.
    pub history_bars: usize,
    /// Bars held beyond, for requests of the past.
    pub slack_bars: usize,
    /// Threads that compute.
    pub workers: usize,
    /// Symbols that wait or run in the workers' hands, for each of them. The driver hands out nothing while it is in a transaction,
    /// so with one small request a worker would be idle for most of it.
    pub in_hand_symbols: usize,
}

impl Limits {
    /// Jobs that may be under way at once, when each has a single symbol.
    #[must_use]
    pub fn jobs_max(&self) -> usize {
        self.workers * (self.in_hand_symbols + 1)
    }
}

/// Who computes jobs. Each job taken comes back as a [`Done`] through the driver.
pub trait Workers: Send {
    /// Starts a job; at most [`Limits::jobs_max`] are under way.
    ///
    /// # Errors
    /// The job, unstarted, when no worker can take it.
    fn start(&self, job: Job) -> Result<(), Job>;
}

/// A request between its admission and its end.
struct Admitted {
    id: RecordId,
    lane: Lane,
    request: FeatureRequest,
    timeframe: Timeframe,
    traceparent: Option<String>,
    /// Its symbols that are to be computed: symbol and `occurred_at`.
    to_compute: Vec<(Symbol, Timestamp)>,
    /// Failures of its other symbols, to leave with the vectors.
    failures: Vec<OutRecord>,
    attempts: u32,
}

/// Answers of one source and priority leave in the order of their requests.
type OrderKey = (InputPartition, i32);

/// The stage.
pub struct FeatureStage {
    wire: Wire,
    limits: Limits,
    workers: Box<dyn Workers>,
    queue: Queue<Admitted>,
    running: HashMap<u64, Admitted>,
    release: Release<OrderKey, Effect<OutRecord>>,
    recent: Recent,
    histories: HashMap<i32, History>,
    table_ends: HashMap<i32, i64>,
    skipped_bars: u64,
    benchmarks: BenchmarkBars,
    assigned: HashSet<InputPartition>,
    tickets: u64,
    expiry_looked_at: Duration,
}

impl FeatureStage {
    /// A stage that owns nothing yet; each symbol is compared with these.
    #[must_use]
    pub fn new(wire: Wire, limits: Limits, compared: Vec<Symbol>, workers: Box<dyn Workers>) -> Self {
        Self {
            benchmarks: BenchmarkBars::new(&wire, limits, compared),
            wire,
            limits,
            workers,
            queue: Queue::new(limits.ordinary_max, limits.urgent_max),
            running: HashMap::new(),
            release: Release::default(),
            recent: Recent::new(limits.dedup_window, limits.dedup_symbols_max),
            histories: HashMap::new(),
            table_ends: HashMap::new(),
            skipped_bars: 0,
            assigned: HashSet::new(),
            tickets: 0,
            expiry_looked_at: Duration::ZERO,
        }
    }

    /// Starts what is ready while workers are free, or have little in hand.
    fn dispatch(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        while self.has_room() {
            let Some(next) = self.queue.peek() else { return };
            let is_expired = self.is_expired(next, now);
            if !is_expired && self.is_crowded(next) {
                // Those behind it wait as well: of one source and priority they would overtake it (P8). What runs makes room.
                return;
            }
            let Some(admitted) = self.queue.pop() else { return };
            if is_expired {
                self.expire(admitted, now, effects);
                continue;
            }
            self.tickets += 1;
            self.release.begin(order_key(&admitted), self.tickets);
            self.start(self.tickets, admitted, now, effects);
        }
    }

    fn has_room(&self) -> bool {
        let Limits { workers, in_hand_symbols, .. } = self.limits;
        let in_hand = || self.running.values().map(|admitted| admitted.to_compute.len()).sum::<usize>();
        self.running.len() < workers || in_hand() < workers * in_hand_symbols
    }

    /// Whether one of its symbols is in as many running requests as may be.
    fn is_crowded(&self, next: &Admitted) -> bool {
        let runs = |symbol: Symbol| {
            let has = |running: &&Admitted| running.to_compute.iter().any(|(other, _)| *other == symbol);
            self.running.values().filter(has).count()
        };
        self.running.len() >= RUNNING_PER_SYMBOL_MAX
            && next.to_compute.iter().any(|(symbol, _)| runs(*symbol) >= RUNNING_PER_SYMBOL_MAX)
    }

    fn start(&mut self, ticket: u64, mut admitted: Admitted, now: Now, effects: &mut Effects<OutRecord>) {
        admitted.attempts += 1;
        let job = self.job(ticket, &admitted);
        self.running.insert(ticket, admitted);
        if self.workers.start(job).is_err() {
            let cause = "no worker took it".to_owned();
            self.completed(Done::Failed { ticket, cause }, now, effects);
        }
    }

    /// What a worker needs to know, copied: the windows as the tables hold them now.
    fn job(&mut self, ticket: u64, admitted: &Admitted) -> Job {
        let timeframe = admitted.timeframe;
        let history = self.histories.get(&admitted.id.input.partition);
        let symbols = admitted.to_compute.iter().map(|&(symbol, occurred_at)| {
            let held = |timeframe| history.map_or(&[][..], |h| h.bars(symbol, timeframe));
            let window = rules::select(held(timeframe), timeframe, occurred_at, self.limits.history_bars);
            let as_of = window.last().map(|bar| bar.open_time);
            let prior_day = as_of.and_then(|as_of| rules::prior_day(held(Timeframe::Day1), as_of)).copied();
            SymbolJob { symbol, occurred_at, bars: window.to_vec(), prior_day }
        });
        Job {
            ticket,
            sets: admitted.request.sets(),
            timeframe,
            symbols: symbols.collect(),
            benchmarks: self.benchmarks.at(timeframe),
        }
    }

    fn is_expired(&self, admitted: &Admitted, now: Now) -> bool {
        let age_micros = now.wall_micros.saturating_sub(admitted.request.requested_at);
        u128::try_from(age_micros).is_ok_and(|age| age > self.limits.request_ttl.as_micros())
    }

    /// Ends every waiting request whose time is over; looked at once a second, so that a deep queue costs little.
    fn expire_waiting(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        if now.monotonic.saturating_sub(self.expiry_looked_at) < EXPIRY_LOOK {
            return;
        }
        self.expiry_looked_at = now.monotonic;
        let (ttl, wall) = (self.limits.request_ttl.as_micros(), now.wall_micros);
        let expired = self.queue.take(|admitted| {
            u128::try_from(wall.saturating_sub(admitted.request.requested_at)).is_ok_and(|age| age > ttl)
        });
        for admitted in expired {
            self.expire(admitted, now, effects);
        }
    }
}

fn order_key(admitted: &Admitted) -> OrderKey {
    (admitted.id.input, admitted.request.priority)
}

impl Stage for FeatureStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = Done;

    fn assigned(&mut self, source: InputPartition, _epoch: Epoch, _now: Now) {
        self.assigned.insert(source);
    }

    fn unassigned(&mut self, source: InputPartition) {
        self.assigned.remove(&source);
        self.queue.take(|admitted| admitted.id.input == source);
        self.running.retain(|_, admitted| admitted.id.input != source);
        self.release.retain(|(of, _)| *of != source);
        let partition = source.partition;
        if !self.assigned.iter().any(|other| other.partition == partition) {
            let wire = &self.wire;
            self.recent.forget(|symbol| wire.partition_of(symbol.as_str()) == partition);
        }
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.admit(id, &record, now)
    }

    fn completed(&mut self, done: Done, now: Now, effects: &mut Effects<OutRecord>) {
        let (ticket, answers) = match done {
            Done::Computed { ticket, answers } => (ticket, Ok(answers)),
            Done::Failed { ticket, cause } => (ticket, Err(cause)),
        };
        // A ticket that is gone belonged to a partition that is gone.
        let Some(admitted) = self.running.remove(&ticket) else { return };
        if answers.is_err() && admitted.attempts < ATTEMPTS_MAX {
            self.start(ticket, admitted, now, effects);
            return;
        }
        let key = order_key(&admitted);
        let end = self.end(admitted, answers, now);
        for end in self.release.finish(&key, ticket, end) {
            effects.push(end);
        }
        self.dispatch(now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.recent.expire(now.monotonic);
        self.expire_waiting(now, effects);
        self.dispatch(now, effects);
    }

    fn drain(&mut self, sources: &[InputPartition], _now: Now, effects: &mut Effects<OutRecord>) {
        let waiting = self.queue.take(|admitted| sources.contains(&admitted.id.input));
        if !waiting.is_empty() {
            effects.push(Effect::Release { ids: waiting.into_iter().map(|admitted| admitted.id).collect() });
        }
    }

    fn is_full(&self, topic: u16) -> bool {
        self.queue.is_full(lane_of(topic))
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        (!self.queue.is_empty() || !self.recent.is_empty()).then_some(EXPIRY_LOOK)
    }
}

fn lane_of(topic: u16) -> Lane {
    if topic == 1 { Lane::Urgent } else { Lane::Ordinary }
}
