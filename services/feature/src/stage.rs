//! Feature stage: processes requests into vectors and failures. Bars and corporate actions are its side inputs.
//!
//! A request is admitted (decoded, validated, deduplicated), waits for the bars and actions that were acknowledged before it and for a worker, and
//! is computed. It is resolved as a whole: one emission has a vector or a failure for each symbol.
//!
//! **Order.** Requests are resolved by priority, then by age: the stage reorders (P8).
//!
//! **Drain.** The stage completes requests that are running. Queued requests are released at once and redelivered to the next owner.
//!
//! **Restart.** Resolved requests are not redelivered. The dedup window is lost: a request that repeats one from before the restart is
//! computed instead of ending as a duplicate. It still ends once.

mod action_table;
mod admission;
mod bar_table;
mod bars_health;
mod benchmark_table;
mod limits;
mod resolved;
mod result_events;
mod side_inputs;
mod table_progress;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chassis::health::Latch;
use chassis::telemetry::Scope;
use contracts::{FeatureRequest, Topic};
use domain::{Symbol, Timeframe, Timestamp};
use hosting::Latency;
use kafka_io::{InRecord, OutRecord, Wire};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};

pub use self::table_progress::TABLES;

pub use self::limits::{
    Limits, ORDINARY_BYTES_MAX, OUTPUTS_MAX, URGENT_BYTES_MAX, WAITING_RESULTS_BYTES_MAX, WORKER_SYMBOLS_MAX,
};

use self::action_table::ActionTable;
use self::bar_table::{BAR_TOPIC, BarTable};
use self::bars_health::{BarsHealth, HeldBars};
use self::benchmark_table::BenchmarkTable;
use self::resolved::Resolved;
use self::table_progress::TableProgress;
use crate::intake::{DedupWindow, Lane, ReorderBuffer, RequestQueue};
use crate::metric_names::REQUEST_TO_VECTOR;
use crate::rules::{self, EarlierDays, Mismatches};
use crate::set_counts::SetCounts;
use crate::worker::{Job, JobError, JobResult, SymbolJob};

/// The input topics in the order of subscription: [`InputPartition::topic`] is an index into it.
pub const INPUTS: [Topic; 2] = [Topic::BatchRequested, Topic::BatchUrgent];

/// Attempts at a request before it ends in a failure. The panic or timeout of a worker may be temporary.
pub const ATTEMPTS_MAX: u32 = 3;

/// Interval between two searches for expired requests in the queue.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// Interval in which ready requests are passed to workers that were added. A pool grows in steps of this length.
const GROWTH_INTERVAL: Duration = Duration::from_millis(100);

/// Running requests per symbol (ADR 042).
const RUNNING_PER_SYMBOL_MAX: usize = 10;

/// The workers, which compute jobs. The driver passes the [`JobResult`] of each started job to the stage.
pub trait Workers: Send {
    /// Starts a job. At most [`Limits::jobs_max`] jobs run at a time.
    ///
    /// # Errors
    /// The job, not started, if no worker can accept it.
    fn start(&self, job: Job) -> Result<(), Job>;

    /// Returns the number of workers; it changes with the load, up to [`Limits::workers_max`].
    fn count(&self) -> usize;

    /// Reports the number of requests that are held because the workers have no capacity.
    fn set_held(&self, requests: usize);
}

/// A request that is admitted and not yet resolved.
struct Admitted {
    id: RecordId,
    lane: Lane,
    request: FeatureRequest,
    timeframe: Timeframe,
    traceparent: Option<String>,
    /// The append time of its record.
    appended_micros: Option<i64>,
    /// The symbols to compute, each with its `occurred_at`.
    to_compute: Vec<(Symbol, Timestamp)>,
    /// The failures of the other symbols, which are emitted with the vectors.
    failures: Vec<OutRecord>,
    attempts: u32,
}

/// Results of one input partition and priority leave in the order of their requests.
type OrderKey = (InputPartition, i32);

/// The feature stage.
pub struct FeatureStage {
    wire: Wire,
    limits: Limits,
    workers: Box<dyn Workers>,
    queue: RequestQueue<Admitted>,
    running: HashMap<u64, Admitted>,
    reorder: ReorderBuffer<OrderKey, Resolved>,
    dedup_window: DedupWindow,
    bars: BarTable,
    actions: ActionTable,
    benchmarks: BenchmarkTable,
    progress: TableProgress,
    assigned: HashSet<InputPartition>,
    tickets: u64,
    expiry_checked: Duration,
    counts: SetCounts,
    latency: Latency,
    bars_health: BarsHealth,
}

impl FeatureStage {
    /// A stage without partitions. Each symbol is compared with the symbols of `compared`.
    #[must_use]
    pub fn new(wire: Wire, limits: Limits, compared: Vec<Symbol>, workers: Box<dyn Workers>) -> Self {
        Self {
            benchmarks: BenchmarkTable::new(&wire, limits, compared),
            wire,
            limits,
            workers,
            queue: RequestQueue::new(limits.ordinary, limits.urgent),
            running: HashMap::new(),
            reorder: ReorderBuffer::default(),
            dedup_window: DedupWindow::new(limits.dedup_window, limits.dedup_symbols_max),
            bars: BarTable::new(limits),
            actions: ActionTable::new(limits.splits_max),
            progress: TableProgress::default(),
            assigned: HashSet::new(),
            tickets: 0,
            expiry_checked: Duration::ZERO,
            counts: SetCounts::new(&Scope::nowhere()),
            latency: Latency::new(&Scope::nowhere(), &REQUEST_TO_VECTOR),
            bars_health: BarsHealth::default(),
        }
    }

    /// Counts the sets of vectors with `counts`, and reports to `bars` if the stage has read its tables and holds no bars.
    #[must_use]
    pub fn with_telemetry(mut self, counts: SetCounts, bars: Latch) -> Self {
        self.counts = counts;
        self.bars_health = BarsHealth::new(bars);
        self
    }

    /// Records the latency of vectors with `latency`.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    fn update_bars_health(&mut self) {
        let held = if self.assigned.is_empty() {
            HeldBars::Unassigned
        } else if !self.bars.is_empty() {
            HeldBars::Some
        } else if self.assigned.iter().all(|input| self.progress.is_read(BAR_TOPIC, input.partition)) {
            HeldBars::None
        } else {
            HeldBars::Loading
        };
        self.bars_health.update(held);
    }

    /// Starts ready requests while the workers have capacity. The workers grow for the others: a request that waits for something else
    /// is no reason for it.
    fn dispatch(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.start_ready(now, effects);
        let held = if self.has_capacity() { 0 } else { self.queue.ready_len() };
        self.workers.set_held(held);
    }

    fn start_ready(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        while self.has_capacity() && self.reorder.waiting_bytes() < self.limits.waiting_results_bytes_max {
            let Some(next) = self.queue.peek() else { return };
            let is_expired = self.is_expired(next, now);
            let is_delayed =
                next.lane == Lane::Ordinary && effects.queued_outputs() > self.limits.outputs_max;
            if !is_expired && is_delayed {
                return;
            }
            if !is_expired && self.is_at_symbol_limit(next) {
                // Later requests wait, too: those of the same partition and priority would overtake it (P8). A completed job ends the wait.
                return;
            }
            let Some(admitted) = self.queue.pop() else { return };
            if is_expired {
                self.expire(admitted, now, effects);
                continue;
            }
            self.tickets += 1;
            self.reorder.start(order_key(&admitted), self.tickets);
            self.start(self.tickets, admitted, now, effects);
        }
    }

    fn has_capacity(&self) -> bool {
        let (workers, worker_symbols_max) = (self.workers.count(), self.limits.worker_symbols_max);
        let running_symbols =
            || self.running.values().map(|admitted| admitted.to_compute.len()).sum::<usize>();
        self.running.len() < workers || running_symbols() < workers * worker_symbols_max
    }

    /// Returns `true` if one of the symbols is in [`RUNNING_PER_SYMBOL_MAX`] running requests.
    fn is_at_symbol_limit(&self, next: &Admitted) -> bool {
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
            self.completed(JobResult::Failed { ticket, error: JobError::Rejected }, now, effects);
        }
    }

    /// Returns the job of a request. It has copies of the windows, as they are in the tables now.
    fn job(&mut self, ticket: u64, admitted: &Admitted) -> Job {
        let (timeframe, sets) = (admitted.timeframe, admitted.request.sets());
        let history = self.bars.history(admitted.id.input.partition);
        let symbols = admitted.to_compute.iter().map(|&(symbol, occurred_at)| {
            let splits = self.actions.splits().of(symbol);
            let bars = |timeframe| history.map_or(&[][..], |h| h.bars(symbol, timeframe));
            let window = rules::select(bars(timeframe), timeframe, occurred_at, self.limits.history_bars);
            let earlier_days = match window.last() {
                Some(newest) if timeframe != Timeframe::Day1 => {
                    let (days, history) = (bars(Timeframe::Day1), self.limits.history_bars);
                    EarlierDays::before(newest.open_time, days, splits, history, sets)
                }
                _ => EarlierDays::NONE,
            };
            let mismatches = Mismatches::of(window, splits);
            let mut bars = window.to_vec();
            if let Some(newest) = window.last() {
                rules::adjust(&mut bars, splits, newest.open_time);
            }
            SymbolJob { symbol, occurred_at, bars, mismatches, earlier_days }
        });
        Job {
            ticket,
            sets,
            timeframe,
            symbols: symbols.collect(),
            benchmarks: self.benchmarks.snapshot(timeframe),
        }
    }

    fn is_expired(&self, admitted: &Admitted, now: Now) -> bool {
        let age_micros = now.wall_micros.saturating_sub(admitted.request.requested_at);
        u128::try_from(age_micros).is_ok_and(|age| age > self.limits.request_ttl.as_micros())
    }

    /// Resolves all queued requests that have expired. The queue is searched once per [`EXPIRY_INTERVAL`], because it may be long.
    fn expire_queued(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        if now.monotonic.saturating_sub(self.expiry_checked) < EXPIRY_INTERVAL {
            return;
        }
        self.expiry_checked = now.monotonic;
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
    type Completion = JobResult;

    fn assigned(&mut self, input: InputPartition, _epoch: Epoch, _now: Now) {
        self.assigned.insert(input);
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.assigned.remove(&input);
        self.queue.take(|admitted| admitted.id.input == input);
        self.running.retain(|_, admitted| admitted.id.input != input);
        self.reorder.retain(|(of, _)| *of != input);
        let partition = input.partition;
        if !self.assigned.iter().any(|other| other.partition == partition) {
            let wire = &self.wire;
            self.dedup_window.remove(|symbol| wire.partition_of(symbol.as_str()) == partition);
        }
        if self.assigned.is_empty() {
            self.bars_health.update(HeldBars::Unassigned);
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

    fn completed(&mut self, result: JobResult, now: Now, effects: &mut Effects<OutRecord>) {
        let (ticket, result) = match result {
            JobResult::Computed { ticket, symbols } => (ticket, Ok(symbols)),
            JobResult::Failed { ticket, error } => (ticket, Err(error)),
        };
        // An unknown ticket belongs to a partition that was revoked.
        let Some(admitted) = self.running.remove(&ticket) else { return };
        if result.is_err() && admitted.attempts < ATTEMPTS_MAX {
            self.start(ticket, admitted, now, effects);
            return;
        }
        let key = order_key(&admitted);
        let resolved = self.resolve(admitted, result, now);
        let bytes = resolved.memory_bytes();
        for resolved in self.reorder.complete(&key, ticket, (resolved, bytes)) {
            self.release(resolved, now, effects);
        }
        self.dispatch(now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.dedup_window.expire(now.monotonic);
        self.update_bars_health();
        self.expire_queued(now, effects);
        self.dispatch(now, effects);
    }

    fn drain(&mut self, inputs: &[InputPartition], _now: Now, effects: &mut Effects<OutRecord>) {
        let waiting = self.queue.take(|admitted| inputs.contains(&admitted.id.input));
        if !waiting.is_empty() {
            effects.push(Effect::Release { ids: waiting.into_iter().map(|admitted| admitted.id).collect() });
        }
    }

    fn is_full(&self, topic: u16) -> bool {
        self.queue.is_full(lane_of(topic))
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        if self.queue.ready_len() > 0 {
            // A worker that was added meanwhile gets a request.
            return Some(GROWTH_INTERVAL);
        }
        (!self.queue.is_empty() || !self.dedup_window.is_empty()).then_some(EXPIRY_INTERVAL)
    }
}

fn lane_of(topic: u16) -> Lane {
    if topic == 1 { Lane::Urgent } else { Lane::Ordinary }
}
