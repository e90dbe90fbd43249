//! Collects alerts of the same key into batches, and orders the batches.
//!
//! ```text
//!              50 symbols or 1,000 alerts, 5 s since the first alert, 50 ms
//!              without a new alert, urgent, or its partition is drained
//!   collecting ─────────────────────────────────────────────────► ready ──► taken
//!       └──────── accepts new symbols, up to 100 ────────────────────┘
//! ```
//!
//! A ready batch is held until it is the first in order and the `limiter` has tokens for it; until then alerts can join it. Ready
//! batches are taken by priority, the highest first, then by age.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use contracts::bounds::MERGED_ALERTS_MAX;
use domain::Priority;
use kit::{Hysteresis, Marks};

use super::batch::{Arrival, Batch, BatchKey, OpenBatch};

/// Limits of batches, and of all held alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The number of symbols at which a batch is ready.
    pub ready_symbols: usize,
    /// Maximum number of symbols of a batch.
    pub symbols_max: usize,
    /// Maximum number of alerts of a batch. Any number of alerts can be of one symbol, and a request has a maximum size: each alert
    /// adds a correlation id and a scanner of at most 256 bytes, so 1,000 of them are 516,000 bytes, of 1,000,000 allowed in a
    /// payload.
    pub alerts_max: usize,
    /// Maximum time from the first alert of a batch until it is ready.
    pub wait_max: Duration,
    /// The time without a new alert after which a batch is ready.
    pub linger: Duration,
    /// The number of held alerts at which the batcher is full. It stays full until fewer than half of it are held.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ready_symbols: 50,
            symbols_max: 100,
            alerts_max: MERGED_ALERTS_MAX,
            wait_max: Duration::from_secs(5),
            linger: Duration::from_millis(50),
            waiting_max: 10_000,
        }
    }
}

/// The open batches. `I` identifies an input record; it is returned with the batch.
#[derive(Debug)]
pub struct Batcher<I> {
    limits: Limits,
    /// By number, which increases with each batch: a lower number is an older batch.
    batches: BTreeMap<u64, Timed<I>>,
    /// The number of the batch that alerts of this key join.
    current: BTreeMap<BatchKey, u64>,
    ready: BTreeSet<(Reverse<Priority>, u64)>,
    /// One per open batch, due at its deadline or earlier: each alert extends the deadline, and [`Batcher::tick`] moves the timer when
    /// it is due.
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    last_number: u64,
    waiting: usize,
    /// The held alerts of ready batches.
    ready_alerts: usize,
    full: Hysteresis,
}

#[derive(Debug)]
struct Timed<I> {
    batch: OpenBatch<I>,
    opened: Duration,
    last_arrival: Duration,
    /// The time at which the batch was ready. `None` if it is not ready.
    ready: Option<Duration>,
}

impl<I> Batcher<I> {
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
            ready_alerts: 0,
            full: Hysteresis::new(),
        }
    }

    /// Adds an alert to the batch of its key. Returns `true` if that batch is ready now.
    pub fn add(&mut self, arrival: Arrival<I>, now: Duration) -> bool {
        let limits = self.limits;
        let is_urgent = arrival.key.priority.is_urgent();
        let number = self.batch_for(&arrival, now);
        let Some(timed) = self.batches.get_mut(&number) else {
            debug_assert!(false, "the batch of an alert is open");
            return false;
        };
        timed.last_arrival = now;
        timed.batch.join(arrival);
        self.ready_alerts += usize::from(timed.ready.is_some());
        // Ready when any limit is reached: the key's next alert may open another batch, which must not be taken before this one.
        let is_ready = is_urgent
            || timed.batch.symbols() >= limits.ready_symbols
            || timed.batch.records() >= limits.alerts_max;
        if is_ready {
            self.make_ready(number, now);
        }
        self.waiting += 1;
        self.update_full();
        is_ready
    }

    /// Makes the batches ready whose deadline has passed.
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
                self.make_ready(number, now);
            } else {
                self.timers.push(Reverse((deadline, number)));
            }
        }
    }

    /// Makes all batches of draining partitions ready, so that they only wait for tokens.
    pub fn close(&mut self, is_draining: impl Fn(i32) -> bool, now: Duration) {
        let is_closed = |(_, timed): &(&u64, &Timed<I>)| is_draining(timed.batch.key.partition);
        let closed: Vec<u64> = self.batches.iter().filter(is_closed).map(|(number, _)| *number).collect();
        closed.into_iter().for_each(|number| self.make_ready(number, now));
    }

    /// Returns the number of symbols of the next batch, which is the number of tokens that it needs. `None` if no batch is ready.
    #[must_use]
    pub fn head(&self) -> Option<usize> {
        self.ready.first().and_then(|(_, number)| self.batches.get(number)).map(|timed| timed.batch.symbols())
    }

    /// Returns the time at which the next batch was ready. `None` if no batch is ready.
    #[must_use]
    pub fn head_ready(&self) -> Option<Duration> {
        self.ready.first().and_then(|(_, number)| self.batches.get(number)?.ready)
    }

    /// Takes the next batch. `None` if no batch is ready.
    pub fn take(&mut self) -> Option<Batch<I>> {
        let (_, number) = *self.ready.first()?;
        self.remove(number).map(OpenBatch::into_batch)
    }

    /// Removes all batches of a partition. Returns their input records.
    pub fn remove_partition(&mut self, partition: i32) -> Vec<I> {
        let is_of = |(_, timed): &(&u64, &Timed<I>)| timed.batch.key.partition == partition;
        let numbers: Vec<u64> = self.batches.iter().filter(is_of).map(|(number, _)| *number).collect();
        let mut ids = Vec::new();
        for number in numbers {
            if let Some(batch) = self.remove(number) {
                ids.extend(batch.into_batch().ids);
            }
        }
        ids
    }

    /// Returns the time until [`Self::tick`] may make a batch ready, after it was called at `now`. `None` if there is no batch.
    #[must_use]
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        self.timers.peek().map(|Reverse((due, _))| due.saturating_sub(now))
    }

    /// Returns the number of held alerts.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns the number of held alerts whose batches are ready, so that they only wait for tokens.
    #[must_use]
    pub const fn ready_alerts(&self) -> usize {
        self.ready_alerts
    }

    /// Returns the number of held alerts at which it is full.
    #[must_use]
    pub const fn waiting_max(&self) -> usize {
        self.limits.waiting_max
    }

    /// Returns `true` from the time when [`Limits::waiting_max`] is reached until fewer than half of it are held.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full.is_set()
    }

    fn batch_for(&mut self, arrival: &Arrival<I>, now: Duration) -> u64 {
        if let Some(number) = self.current.get(&arrival.key)
            && self.batches.get(number).is_some_and(|timed| timed.accepts(arrival, &self.limits))
        {
            return *number;
        }
        self.last_number += 1;
        let timed = Timed { batch: OpenBatch::new(arrival.key), opened: now, last_arrival: now, ready: None };
        self.timers.push(Reverse((timed.deadline(&self.limits), self.last_number)));
        self.batches.insert(self.last_number, timed);
        self.current.insert(arrival.key, self.last_number);
        self.last_number
    }

    fn make_ready(&mut self, number: u64, now: Duration) {
        if let Some(timed) = self.batches.get_mut(&number).filter(|timed| timed.ready.is_none()) {
            timed.ready = Some(now);
            self.ready_alerts += timed.batch.records();
            self.ready.insert((Reverse(timed.batch.key.priority), number));
        }
    }

    fn remove(&mut self, number: u64) -> Option<OpenBatch<I>> {
        let Timed { batch, ready, .. } = self.batches.remove(&number)?;
        if ready.is_some() {
            self.ready.remove(&(Reverse(batch.key.priority), number));
            self.ready_alerts -= batch.records();
        }
        if self.current.get(&batch.key) == Some(&number) {
            self.current.remove(&batch.key);
        }
        self.waiting -= batch.records();
        self.update_full();
        Some(batch)
    }

    fn update_full(&mut self) {
        let max = self.limits.waiting_max;
        self.full.update(self.waiting, Marks::at(max).low(max / 2));
    }
}

impl<I> Timed<I> {
    fn accepts(&self, arrival: &Arrival<I>, limits: &Limits) -> bool {
        let has_room = self.batch.contains(arrival.symbol) || self.batch.symbols() < limits.symbols_max;
        has_room && self.batch.records() < limits.alerts_max
    }

    fn deadline(&self, limits: &Limits) -> Duration {
        (self.opened + limits.wait_max).min(self.last_arrival + limits.linger)
    }
}
