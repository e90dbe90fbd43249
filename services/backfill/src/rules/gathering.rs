//! The gathering fetches, in the order in which they start. An iteration of the stage reads the first entries of ordered sets, for any
//! number of fetches.
//!
//! ```text
//!         open ┌─────────┐ `gather` has passed ┌─────┐ first by priority, then age
//!      ───────►│ growing ├────────────────────►│ due ├───────────────────────────► taken: its key is busy
//!              └────▲────┘                     └─────┘
//!                   └─ released ── others of a busy key
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{DataType, IntervalSet, Priority, Symbol, Timeframe};

/// The number of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(u64);

/// A fetch for one or more requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch<R> {
    pub id: FetchId,
    pub symbol: Symbol,
    pub data_type: DataType,
    /// The partition of its requests.
    pub partition: i32,
    /// The highest priority of its requests when it started.
    pub priority: Priority,
    /// The union of the requested ranges per timeframe.
    pub ranges: BTreeMap<Option<Timeframe>, IntervalSet>,
    /// The requests of the fetch, in order of arrival.
    pub requests: Vec<R>,
}

impl<R> Fetch<R> {
    pub(super) const fn key(&self) -> FetchKey {
        (self.symbol, self.data_type)
    }
}

/// At most one fetch runs per key.
pub(super) type FetchKey = (Symbol, DataType);

/// The order in which fetches start: by priority, then by age.
pub(super) type DueKey = (Reverse<Priority>, FetchId);

/// The fetches that have not started. `R` identifies a request.
#[derive(Debug)]
pub(super) struct GatheringFetches<R> {
    entries: Entries<R>,
    by_key: BTreeMap<FetchKey, BTreeSet<FetchId>>,
    /// The keys of running fetches. The gathering fetches of these keys are neither in `growing` nor in `due`.
    busy: BTreeSet<FetchKey>,
    /// By the time at which they were opened.
    growing: BTreeSet<(Duration, FetchId)>,
    /// By partition, without empty sets.
    due: BTreeMap<i32, BTreeSet<DueKey>>,
    last_id: u64,
}

#[derive(Debug)]
struct Gathering<R> {
    fetch: Fetch<R>,
    opened: Duration,
}

impl<R> GatheringFetches<R> {
    /// Returns a collection without fetches.
    pub(super) const fn new() -> Self {
        Self {
            entries: Entries::new(),
            by_key: BTreeMap::new(),
            busy: BTreeSet::new(),
            growing: BTreeSet::new(),
            due: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Opens a fetch without requests.
    pub(super) fn open(
        &mut self,
        key: FetchKey,
        (partition, priority): (i32, Priority),
        opened: Duration,
    ) -> FetchId {
        self.last_id += 1;
        let id = FetchId(self.last_id);
        self.by_key.entry(key).or_default().insert(id);
        if !self.busy.contains(&key) {
            self.growing.insert((opened, id));
        }
        let (symbol, data_type) = key;
        let (ranges, requests) = (BTreeMap::new(), Vec::new());
        let fetch = Fetch { id, symbol, data_type, partition, priority, ranges, requests };
        self.entries.insert(id, Gathering { fetch, opened });
        id
    }

    /// Returns the newest fetch of a key, and the time at which it was opened.
    pub(super) fn newest(&self, key: FetchKey) -> Option<(FetchId, Duration)> {
        let id = *self.by_key.get(&key)?.last()?;
        self.entries.get(id).map(|gathering| (id, gathering.opened))
    }

    /// Returns the fetch, for a request of this priority that joins it.
    pub(super) fn join(&mut self, id: FetchId, priority: Priority) -> Option<&mut Fetch<R>> {
        let gathering = self.entries.get_mut(id)?;
        if priority > gathering.fetch.priority {
            let fetch = &mut gathering.fetch;
            if remove_due(&mut self.due, fetch.partition, (Reverse(fetch.priority), id)) {
                self.due.entry(fetch.partition).or_default().insert((Reverse(priority), id));
            }
            fetch.priority = priority;
        }
        Some(&mut gathering.fetch)
    }

    /// Returns the partition and the order of the fetch that [`Self::take`] would return.
    pub(super) fn peek(
        &mut self,
        now: Duration,
        gather: Duration,
        is_accepted: impl Fn(i32, Priority) -> bool,
    ) -> Option<(i32, DueKey)> {
        while let Some(&(opened, id)) = self.growing.first()
            && opened + gather <= now
        {
            self.growing.pop_first();
            if let Some(gathering) = self.entries.get(id) {
                let Fetch { partition, priority, .. } = gathering.fetch;
                self.due.entry(partition).or_default().insert((Reverse(priority), id));
            }
        }
        self.first_due(is_accepted)
    }

    /// Takes the next fetch that was opened at least `gather` ago, of a partition and priority that are accepted. Its key is busy until
    /// [`Self::release`].
    pub(super) fn take(
        &mut self,
        now: Duration,
        gather: Duration,
        is_accepted: impl Fn(i32, Priority) -> bool,
    ) -> Option<Fetch<R>> {
        let (partition, due) = self.peek(now, gather, is_accepted)?;
        remove_due(&mut self.due, partition, due);
        let (_, id) = due;
        let fetch = self.entries.remove(id)?.fetch;
        let key = fetch.key();
        self.busy.insert(key);
        self.remove_id(key, id);
        for other in self.by_key.get(&key).into_iter().flatten() {
            if let Some(gathering) = self.entries.get(*other) {
                self.growing.remove(&(gathering.opened, *other));
                remove_due(&mut self.due, partition, (Reverse(gathering.fetch.priority), *other));
            }
        }
        Some(fetch)
    }

    /// Records that no fetch of the key runs, so that the next one may be taken.
    pub(super) fn release(&mut self, key: FetchKey) {
        self.busy.remove(&key);
        for id in self.by_key.get(&key).into_iter().flatten() {
            if let Some(gathering) = self.entries.get(*id) {
                self.growing.insert((gathering.opened, *id));
            }
        }
    }

    /// Removes requests, and the fetches that are left without one.
    pub(super) fn remove_requests(&mut self, is_removed: impl Fn(&R) -> bool) {
        let removed = self.entries.extract_if(|gathering| {
            gathering.fetch.requests.retain(|id| !is_removed(id));
            gathering.fetch.requests.is_empty()
        });
        for Gathering { fetch, opened } in removed {
            self.growing.remove(&(opened, fetch.id));
            remove_due(&mut self.due, fetch.partition, (Reverse(fetch.priority), fetch.id));
            self.remove_id(fetch.key(), fetch.id);
        }
    }

    /// Returns the time at which [`Self::take`] may return a fetch. `None` if that depends on a release.
    pub(super) fn next_due(
        &self,
        gather: Duration,
        is_accepted: impl Fn(i32, Priority) -> bool,
    ) -> Option<Duration> {
        if self.first_due(is_accepted).is_some() {
            return Some(Duration::ZERO);
        }
        self.growing.first().map(|(opened, _)| *opened + gather)
    }

    /// Returns the first of the due fetches that are the first of their partitions and accepted.
    fn first_due(&self, is_accepted: impl Fn(i32, Priority) -> bool) -> Option<(i32, DueKey)> {
        let firsts = self.due.iter().filter_map(|(partition, due)| Some((*partition, *due.first()?)));
        let accepted =
            firsts.filter(|(partition, (Reverse(priority), _))| is_accepted(*partition, *priority));
        accepted.min_by_key(|(_, due)| *due)
    }

    fn remove_id(&mut self, key: FetchKey, id: FetchId) {
        if let Some(ids) = self.by_key.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

/// Removes a due fetch. Returns `false` if it is not due.
fn remove_due(due: &mut BTreeMap<i32, BTreeSet<DueKey>>, partition: i32, key: DueKey) -> bool {
    let Some(of_partition) = due.get_mut(&partition) else { return false };
    let is_removed = of_partition.remove(&key);
    if of_partition.is_empty() {
        due.remove(&partition);
    }
    is_removed
}

/// The fetches by id. Tests count the entries that are visited: no method visits an entry without counting it.
#[derive(Debug)]
struct Entries<R> {
    by_id: BTreeMap<FetchId, Gathering<R>>,
    #[cfg(test)]
    visited: std::cell::Cell<usize>,
}

impl<R> Entries<R> {
    const fn new() -> Self {
        Self {
            by_id: BTreeMap::new(),
            #[cfg(test)]
            visited: std::cell::Cell::new(0),
        }
    }

    fn insert(&mut self, id: FetchId, gathering: Gathering<R>) {
        self.visit(1);
        self.by_id.insert(id, gathering);
    }

    fn get(&self, id: FetchId) -> Option<&Gathering<R>> {
        self.visit(1);
        self.by_id.get(&id)
    }

    fn get_mut(&mut self, id: FetchId) -> Option<&mut Gathering<R>> {
        self.visit(1);
        self.by_id.get_mut(&id)
    }

    fn remove(&mut self, id: FetchId) -> Option<Gathering<R>> {
        self.visit(1);
        self.by_id.remove(&id)
    }

    /// Visits all entries.
    fn extract_if(&mut self, mut is_removed: impl FnMut(&mut Gathering<R>) -> bool) -> Vec<Gathering<R>> {
        self.visit(self.by_id.len());
        self.by_id
            .extract_if(.., |_, gathering| is_removed(gathering))
            .map(|(_, gathering)| gathering)
            .collect()
    }

    #[cfg(test)]
    fn visit(&self, entries: usize) {
        self.visited.set(self.visited.get() + entries);
    }

    #[cfg(not(test))]
    const fn visit(&self, _entries: usize) {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{DataType, Priority, Symbol};

    use super::GatheringFetches;

    const GATHER: Duration = Duration::from_secs(2);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// This number of fetches for different symbols, opened 1 ms apart, each with a request.
    fn gathering(count: u64) -> GatheringFetches<u64> {
        let mut fetches = GatheringFetches::new();
        for number in 0..count {
            let digit = |unit: u64| char::from(b'A' + (number / unit % 26) as u8);
            let symbol: String = [17_576, 676, 26, 1].into_iter().map(digit).collect();
            let key = (Symbol::parse(&symbol).unwrap(), DataType::MarketData);
            let id = fetches.open(key, (0, Priority::NORMAL), ms(number));
            fetches.join(id, Priority::NORMAL).unwrap().requests.push(number);
        }
        fetches
    }

    fn visited(fetches: &GatheringFetches<u64>) -> usize {
        fetches.entries.visited.take()
    }

    #[test]
    fn iteration_without_a_due_fetch_visits_no_entry() {
        let mut fetches = gathering(10_000);
        visited(&fetches);
        assert_eq!(fetches.take(ms(1_999), GATHER, |_, _| true), None);
        assert_eq!(fetches.next_due(GATHER, |_, _| true), Some(GATHER));
        assert_eq!(visited(&fetches), 0);
    }

    #[test]
    fn each_fetch_is_visited_a_fixed_number_of_times() {
        for (count, visits) in [(10, 40), (10_000, 40_000)] {
            let mut fetches = gathering(count);
            let mut taken = 0;
            while let Some(fetch) = fetches.take(ms(60_000), GATHER, |_, _| true) {
                fetches.next_due(GATHER, |_, _| true);
                fetches.release(fetch.key());
                taken += 1;
            }
            assert_eq!((taken, visited(&fetches)), (count, visits));
        }
    }

    #[test]
    fn empty_collection_keeps_no_key_or_time() {
        let mut fetches = gathering(10);
        let first = fetches.take(ms(60_000), GATHER, |_, _| true).unwrap();
        fetches.remove_requests(|_| true);
        fetches.release(first.key());
        let GatheringFetches { entries, by_key, busy, growing, due, .. } = &fetches;
        let left = (entries.by_id.len(), by_key.len(), busy.len(), growing.len(), due.len());
        assert_eq!(left, (0, 0, 0, 0, 0));
    }
}
