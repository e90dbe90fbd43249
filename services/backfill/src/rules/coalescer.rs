//! Coalescer: gathers requests into fetches. Requests for the same symbol and data type that arrive together are one fetch of the union
//! of their ranges.
//!
//! ```text
//!             first request           after `gather`       a slot is free
//!   (absent) ───────────────► gathering ──────────► due ───────────────────► running ─► finished
//!                                 └─ further requests, until `gather_max` ─┘
//! ```
//!
//! A running fetch that waits for the pace of its partition is suspended: it occupies no slot, and others run meanwhile.
//!
//! A request for several data types has one fetch per data type. It ends when the last of them has ended, with the outcome of each. Due
//! fetches run by priority (the highest of their requests), then by age. At most one fetch runs per symbol and data type: the next one
//! finds covered what the first has fetched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{DataType, Interval, Priority, Symbol, Timeframe};
use kit::{Hysteresis, Marks};

use super::gathering::{DueKey, FetchKey, GatheringFetches};
pub use super::gathering::{Fetch, FetchId};

/// The number of suspended fetches of a partition, of a priority or a higher one, from which on no further fetch of it starts. Each has the list
/// of its chunks in memory.
const SUSPENDED_MAX: usize = 4;

/// The limits of the coalescer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time that a fetch gathers requests before it may run.
    pub gather: Duration,
    /// The time after which a fetch that is due, but has no slot, accepts no further requests.
    pub gather_max: Duration,
    /// The maximum number of running fetches, without suspended ones.
    pub running_max: usize,
    /// The number of held requests at which the coalescer is full. It remains full until fewer than half of them are left.
    pub requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(2),
            gather_max: Duration::from_secs(30),
            running_max: 3,
            requests_max: 10_000,
        }
    }
}

/// The history that a request demands. `R` identifies the request.
#[derive(Debug, Clone)]
pub struct Demand<R> {
    pub id: R,
    pub symbol: Symbol,
    /// The partition of the symbol.
    pub partition: i32,
    pub range: Interval,
    pub priority: Priority,
    /// Each data type once, with its timeframes (see [`super::timeframes`]).
    pub data: Vec<(DataType, Vec<Option<Timeframe>>)>,
    /// The request opens a fetch: it joins none, but later requests may join it. So a fetch has at most one such request.
    pub opens_fetch: bool,
}

/// A request whose fetches have all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRequest<R, O> {
    pub id: R,
    /// The outcome per data type, in the order in which the fetches ended.
    pub outcomes: Vec<(DataType, O)>,
}

/// The gathering and running fetches. `O` is the outcome of a fetch, which each of its requests receives.
#[derive(Debug)]
pub struct Coalescer<R, O> {
    limits: Limits,
    gathering: GatheringFetches<R>,
    running: BTreeMap<FetchId, RunningFetch<R>>,
    suspended: SuspendedFetches,
    requests: BTreeMap<R, HeldRequest<O>>,
    full: Hysteresis,
}

/// The suspended ones of the running fetches, by partition, in the order in which they resume.
type SuspendedFetches = BTreeMap<i32, BTreeSet<DueKey>>;

#[derive(Debug)]
struct RunningFetch<R> {
    key: FetchKey,
    partition: i32,
    priority: Priority,
    /// Empty after the requests were removed.
    requests: Vec<R>,
}

#[derive(Debug)]
struct HeldRequest<O> {
    unfinished: usize,
    outcomes: Vec<(DataType, O)>,
}

impl<R: Copy + Ord, O: Clone> Coalescer<R, O> {
    /// Returns a coalescer without fetches.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            gathering: GatheringFetches::new(),
            running: BTreeMap::new(),
            suspended: BTreeMap::new(),
            requests: BTreeMap::new(),
            full: Hysteresis::new(),
        }
    }

    /// Adds a request. A request without data is ignored: the caller ends it.
    pub fn add(&mut self, demand: &Demand<R>, now: Duration) {
        if demand.data.is_empty() {
            return;
        }
        self.requests.insert(demand.id, HeldRequest { unfinished: demand.data.len(), outcomes: Vec::new() });
        for (data_type, timeframes) in &demand.data {
            let key = (demand.symbol, *data_type);
            self.raise(key, demand.priority);
            let id = if demand.opens_fetch {
                self.gathering.open(key, (demand.partition, demand.priority), now)
            } else {
                self.fetch_for(key, (demand.partition, demand.priority), now)
            };
            let Some(fetch) = self.gathering.join(id, demand.priority) else {
                debug_assert!(false, "a fetch that accepts requests is gathering");
                continue;
            };
            fetch.requests.push(demand.id);
            for timeframe in timeframes {
                fetch.ranges.entry(*timeframe).or_default().insert(demand.range);
            }
        }
        self.update_full();
    }

    /// Starts the next fetch that is due, if a slot is free. It runs until [`Self::finish`].
    pub fn start(&mut self, now: Duration) -> Option<Fetch<R>> {
        if !self.has_free_slot() {
            return None;
        }
        let Self { gathering, suspended, limits, .. } = self;
        let fetch = gathering.take(now, limits.gather, accepting(suspended))?;
        let (key, requests) = (fetch.key(), fetch.requests.clone());
        let Fetch { id, partition, priority, .. } = fetch;
        self.running.insert(id, RunningFetch { key, partition, priority, requests });
        Some(fetch)
    }

    /// Frees the slot of a running fetch until [`Self::resume`].
    pub fn suspend(&mut self, id: FetchId) {
        if let Some(running) = self.running.get(&id) {
            let of_partition = self.suspended.entry(running.partition).or_default();
            of_partition.insert((Reverse(running.priority), id));
        }
    }

    /// Returns the first suspended fetch of each partition, in the order in which they resume: by priority, then by age. A running fetch has the
    /// priority of the requests that wait for its end, if that is higher.
    #[must_use]
    pub fn first_suspended(&self) -> Vec<FetchId> {
        let mut firsts: Vec<DueKey> = self.suspended.values().filter_map(|of| of.first().copied()).collect();
        firsts.sort_unstable();
        firsts.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns the number of suspended fetches.
    #[must_use]
    pub fn suspended(&self) -> usize {
        self.suspended.values().map(BTreeSet::len).sum()
    }

    /// Returns `true` if a suspended fetch of the same partition resumes before this running fetch would.
    #[must_use]
    pub fn is_preceded(&self, id: FetchId) -> bool {
        let Some(running) = self.running.get(&id) else { return false };
        let first = self.suspended.get(&running.partition).and_then(BTreeSet::first);
        first.is_some_and(|first| *first < (Reverse(running.priority), id))
    }

    /// Gives a suspended fetch a slot. Returns `false` if none is free, or if a fetch of a higher priority is due, which starts first.
    pub fn resume(&mut self, id: FetchId, now: Duration) -> bool {
        let Some((partition, priority)) = self.running.get(&id).map(|run| (run.partition, run.priority))
        else {
            return false;
        };
        let Self { gathering, suspended, limits, .. } = self;
        let due = gathering.peek(now, limits.gather, accepting(suspended));
        let is_later = due.is_some_and(|(_, (Reverse(first), _))| first > priority);
        self.has_free_slot() && !is_later && self.remove_suspended(partition, (Reverse(priority), id))
    }

    /// Returns `true` if a fetch may start or resume.
    #[must_use]
    pub fn has_free_slot(&self) -> bool {
        self.running.len() - self.suspended() < self.limits.running_max
    }

    /// Raises the priority of the running fetch of this key, if there is one: a request of this priority waits for its end.
    fn raise(&mut self, key: FetchKey, priority: Priority) {
        let lower = self.running.iter_mut().find(|(_, run)| run.key == key && run.priority < priority);
        let Some((&id, run)) = lower else { return };
        let (partition, old) = (run.partition, std::mem::replace(&mut run.priority, priority));
        if self.remove_suspended(partition, (Reverse(old), id)) {
            self.suspend(id);
        }
    }

    fn remove_suspended(&mut self, partition: i32, key: DueKey) -> bool {
        self.suspended.get_mut(&partition).is_some_and(|of_partition| of_partition.remove(&key))
    }

    /// Ends a running fetch. Returns the requests that end with it, in order of arrival.
    pub fn finish(&mut self, id: FetchId, outcome: &O) -> Vec<EndedRequest<R, O>> {
        let Some(RunningFetch { key, partition, priority, requests }) = self.running.remove(&id) else {
            return Vec::new();
        };
        self.remove_suspended(partition, (Reverse(priority), id));
        self.gathering.release(key);
        let (_, data_type) = key;
        let mut ended = Vec::new();
        for id in requests {
            let Some(held) = self.requests.get_mut(&id) else {
                continue;
            };
            held.outcomes.push((data_type, outcome.clone()));
            held.unfinished -= 1;
            if held.unfinished == 0
                && let Some(held) = self.requests.remove(&id)
            {
                ended.push(EndedRequest { id, outcomes: held.outcomes });
            }
        }
        self.update_full();
        ended
    }

    /// Removes requests without an end. Returns the running fetches without a request, so that the caller stops them. Such a fetch
    /// occupies its slot until [`Self::finish`].
    pub fn remove(&mut self, is_removed: impl Fn(&R) -> bool) -> Vec<FetchId> {
        self.requests.retain(|id, _| !is_removed(id));
        self.gathering.remove_requests(&is_removed);
        let mut orphans = Vec::new();
        for (id, running) in &mut self.running {
            let had_requests = !running.requests.is_empty();
            running.requests.retain(|id| !is_removed(id));
            if had_requests && running.requests.is_empty() {
                orphans.push(*id);
            }
        }
        self.update_full();
        orphans
    }

    /// Returns the time until [`Self::start`] may return a fetch. `None` if that depends on the end of a running fetch.
    #[must_use]
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        if !self.has_free_slot() {
            return None;
        }
        let due = self.gathering.next_due(self.limits.gather, accepting(&self.suspended));
        due.map(|due| due.saturating_sub(now))
    }

    /// Returns the number of requests that have not ended.
    #[must_use]
    pub fn held(&self) -> usize {
        self.requests.len()
    }

    /// Returns the number of running fetches, with suspended ones.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Returns `true` from `requests_max` held requests on, until fewer than half of that are left.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full.is_set()
    }

    /// Returns the fetch that accepts requests for this symbol and data type, or opens one.
    fn fetch_for(&mut self, key: FetchKey, due: (i32, Priority), now: Duration) -> FetchId {
        if let Some((id, opened)) = self.gathering.newest(key)
            && now < opened + self.limits.gather_max
        {
            return id;
        }
        self.gathering.open(key, due, now)
    }

    fn update_full(&mut self) {
        let requests_max = self.limits.requests_max;
        self.full.update(self.requests.len(), Marks::at(requests_max).low(requests_max / 2));
    }
}

/// Returns `true` for the partitions and priorities of which a fetch may start.
fn accepting(suspended: &SuspendedFetches) -> impl Fn(i32, Priority) -> bool {
    |partition, priority| {
        let of_partition = suspended.get(&partition).into_iter().flatten();
        let at_least = of_partition.take_while(|(Reverse(other), _)| *other >= priority);
        at_least.take(SUSPENDED_MAX).count() < SUSPENDED_MAX
    }
}
