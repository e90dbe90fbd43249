//! Gathers alerts that ask for the same into batches, and says which batch leaves next.
//!
//! ```text
//!              50 symbols or 1,000 alerts, 5 s since it opened, 50 ms
//!              without a new alert, urgent, or its partition leaves
//!   gathering ──────────────────────────────────────────────► ready ──► taken
//!       └──────── takes new symbols up to 100 ───────────────────┘
//! ```
//!
//! A ready batch waits for its turn, and for its tokens (`limiter`); until it is taken it stays open. Ready batches leave by priority,
//! the highest first, then by age.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use contracts::bounds::MERGED_ALERTS_MAX;
use domain::Priority;

use super::batch::{Arrival, Batch, BatchKey, OpenBatch};

/// When batches close, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many symbols close a batch.
    pub closing_symbols: usize,
    /// A batch never holds more symbols.
    pub most_symbols: usize,
    /// A batch never holds more alerts: a symbol that is in it joins again and again, and the request has a size. Each alert leaves a
    /// correlation id and a scanner of at most 256 bytes there: 1,000 of them are 516,000 bytes, of 1,000,000 that a payload may have.
    pub most_alerts: usize,
    /// A batch is ready this long after it opened, at the latest.
    pub longest_wait: Duration,
    /// A batch is ready when no alert joined it for so long.
    pub quiet: Duration,
    /// So many alerts waiting are full; room is again below half of it.
    pub most_waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            closing_symbols: 50,
            most_symbols: 100,
            most_alerts: MERGED_ALERTS_MAX,
            longest_wait: Duration::from_secs(5),
            quiet: Duration::from_millis(50),
            most_waiting: 10_000,
        }
    }
}

/// The open batches. `I` names an input record; all that is known of it is given back when its batch leaves.
#[derive(Debug)]
pub struct Batcher<I> {
    limits: Limits,
    /// By number, which grows with each batch that opens: lower is older.
    batches: BTreeMap<u64, Timed<I>>,
    /// Of each key the batch that takes its alerts.
    current: BTreeMap<BatchKey, u64>,
    ready: BTreeSet<(Reverse<Priority>, u64)>,
    /// One for each batch that opened, due at its deadline or before: quiet moves the deadline, and the timer follows when it rings.
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    last_number: u64,
    waiting: usize,
    is_full: bool,
}

#[derive(Debug)]
struct Timed<I> {
    batch: OpenBatch<I>,
    opened: Duration,
    last_arrival: Duration,
}

impl<I> Batcher<I> {
    /// No batches yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            batches: BTreeMap::new(),
            current: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BinaryHeap::new(),
            last_number: 0,
            waiting: 0,
            is_full: false,
        }
    }

    /// Puts an alert into the batch of its key; whether that batch is ready.
    pub fn add(&mut self, arrival: Arrival<I>, now: Duration) -> bool {
        let limits = self.limits;
        let is_urgent = arrival.key.priority.is_urgent();
        let number = self.batch_for(&arrival, now);
        let Some(timed) = self.batches.get_mut(&number) else {
            debug_assert!(false, "the batch that takes an alert is open");
            return false;
        };
        timed.last_arrival = now;
        timed.batch.join(arrival);
        // Full by any bound: the key's next alert opens a batch of its own, which must not leave before this one.
        let is_closed = is_urgent
            || timed.batch.symbols() >= limits.closing_symbols
            || timed.batch.records() >= limits.most_alerts;
        if is_closed {
            self.ready.insert((Reverse(timed.batch.key.priority), number));
        }
        self.waiting += 1;
        self.is_full |= self.waiting >= limits.most_waiting;
        is_closed
    }

    /// Makes ready what has waited long enough.
    pub fn tick(&mut self, now: Duration) {
        while let Some(&Reverse((due, number))) = self.timers.peek() {
            if due > now {
                return;
            }
            self.timers.pop();
            let Some(timed) = self.batches.get(&number) else {
                continue;
            };
            let deadline = timed.deadline(&self.limits);
            if deadline <= now {
                self.ready.insert((Reverse(timed.batch.key.priority), number));
            } else {
                self.timers.push(Reverse((deadline, number)));
            }
        }
    }

    /// Makes ready all batches of the partitions that leave: they wait for nothing but their tokens.
    pub fn close(&mut self, is_leaving: impl Fn(i32) -> bool) {
        for (number, timed) in &self.batches {
            if is_leaving(timed.batch.key.partition) {
                self.ready.insert((Reverse(timed.batch.key.priority), *number));
            }
        }
    }

    /// How many symbols the next batch to leave holds, that is, how many tokens it needs; none when no batch is ready.
    #[must_use]
    pub fn head(&self) -> Option<usize> {
        self.ready.first().and_then(|(_, number)| self.batches.get(number)).map(|timed| timed.batch.symbols())
    }

    /// Takes the next batch to leave.
    pub fn take(&mut self) -> Option<Batch<I>> {
        let (_, number) = self.ready.pop_first()?;
        self.remove(number).map(OpenBatch::leave)
    }

    /// Forgets what waits of a partition: the records that waited for it.
    pub fn forget(&mut self, partition: i32) -> Vec<I> {
        let is_of = |(_, timed): &(&u64, &Timed<I>)| timed.batch.key.partition == partition;
        let numbers: Vec<u64> = self.batches.iter().filter(is_of).map(|(number, _)| *number).collect();
        let mut ids = Vec::new();
        for number in numbers {
            if let Some(batch) = self.remove(number) {
                self.ready.remove(&(Reverse(batch.key.priority), number));
                ids.extend(batch.leave().ids);
            }
        }
        ids
    }

    /// How long until [`Self::tick`] may have something to do; after it was called at `now`.
    #[must_use]
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        self.timers.peek().map(|Reverse((due, _))| due.saturating_sub(now))
    }

    /// How many alerts wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the bound on what waits was reached, and less than half of it isn't yet.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    fn batch_for(&mut self, arrival: &Arrival<I>, now: Duration) -> u64 {
        if let Some(number) = self.current.get(&arrival.key)
            && self.batches.get(number).is_some_and(|timed| timed.takes(arrival, &self.limits))
        {
            return *number;
        }
        self.last_number += 1;
        let timed = Timed { batch: OpenBatch::new(arrival.key), opened: now, last_arrival: now };
        self.timers.push(Reverse((timed.deadline(&self.limits), self.last_number)));
        self.batches.insert(self.last_number, timed);
        self.current.insert(arrival.key, self.last_number);
        self.last_number
    }

    fn remove(&mut self, number: u64) -> Option<OpenBatch<I>> {
        let batch = self.batches.remove(&number)?.batch;
        if self.current.get(&batch.key) == Some(&number) {
            self.current.remove(&batch.key);
        }
        self.waiting -= batch.records();
        self.is_full &= self.waiting >= self.limits.most_waiting / 2;
        Some(batch)
    }
}

impl<I> Timed<I> {
    fn takes(&self, arrival: &Arrival<I>, limits: &Limits) -> bool {
        let has_room = self.batch.holds(arrival.symbol) || self.batch.symbols() < limits.most_symbols;
        has_room && self.batch.records() < limits.most_alerts
    }

    fn deadline(&self, limits: &Limits) -> Duration {
        (self.opened + limits.longest_wait).min(self.last_arrival + limits.quiet)
    }
}
