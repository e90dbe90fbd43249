//! Requests become fetches: those for the same symbol and kind of data that arrive together are one fetch of the union of their ranges.
//!
//! ```text
//!            first request           2 s later             a place is free
//!   (none) ───────────────► gathering ─────────► due ──────────────────────► running ─► finished
//!                                └── joined by others, up to 30 s ──┘
//! ```
//!
//! A request for several kinds of data waits for a fetch of each; it ends when the last of them has, with what became of each. Fetches
//! run by priority (the highest of their requests'), then by age, never two for the same symbol and kind: the second finds covered
//! what the first has fetched.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use domain::{DataType, Interval, IntervalSet, Priority, Symbol, Timeframe};

/// How long requests gather, and how much runs and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A fetch gathers requests for so long before it may run.
    pub gather: Duration,
    /// While it has to wait for its turn it goes on gathering, at most so long since it opened.
    pub longest_gather: Duration,
    /// So many fetches run at once.
    pub most_running: usize,
    /// So many requests are full; room is again below half of it.
    pub most_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(2),
            longest_gather: Duration::from_secs(30),
            most_running: 3,
            most_requests: 10_000,
        }
    }
}

/// What a request wants; `R` names its input record.
#[derive(Debug, Clone)]
pub struct Wanted<R> {
    /// The input record that waits for it.
    pub id: R,
    /// Whose history.
    pub symbol: Symbol,
    /// From when to when.
    pub range: Interval,
    /// How urgently.
    pub priority: Priority,
    /// Each kind of data once, with the timeframes wanted of it (`timeframes`).
    pub data: Vec<(DataType, Vec<Option<Timeframe>>)>,
}

/// The number of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(u64);

/// A fetch that begins to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch<R> {
    /// Its number, to say how it ended.
    pub id: FetchId,
    /// Whose history.
    pub symbol: Symbol,
    /// Of which kind.
    pub data_type: DataType,
    /// For each timeframe the union of the ranges wanted.
    pub wanted: BTreeMap<Option<Timeframe>, IntervalSet>,
    /// The requests that it serves, in the order of their arrival.
    pub requests: Vec<R>,
}

/// A request all of whose fetches have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended<R, O> {
    /// Its input record.
    pub id: R,
    /// How the fetch of each kind of data ended, in the order in which they did.
    pub outcomes: Vec<(DataType, O)>,
}

/// All fetches that gather or run. `O` says how a fetch ended; it is handed to each request that it served.
#[derive(Debug)]
pub struct Coalescer<R, O> {
    limits: Limits,
    gathering: BTreeMap<FetchId, Gathering<R>>,
    /// Those that run, with the requests that they serve; none when these have gone.
    running: BTreeMap<FetchId, Running<R>>,
    /// Of each symbol and kind the fetch that is open to requests.
    open: BTreeMap<(Symbol, DataType), FetchId>,
    requests: BTreeMap<R, Pending<O>>,
    last_id: u64,
    is_full: bool,
}

#[derive(Debug)]
struct Gathering<R> {
    fetch: Fetch<R>,
    priority: Priority,
    opened: Duration,
}

#[derive(Debug)]
struct Running<R> {
    key: (Symbol, DataType),
    requests: Vec<R>,
}

#[derive(Debug)]
struct Pending<O> {
    unfinished: usize,
    outcomes: Vec<(DataType, O)>,
}

impl<R: Copy + Ord, O: Clone> Coalescer<R, O> {
    /// No fetches yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            gathering: BTreeMap::new(),
            running: BTreeMap::new(),
            open: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_id: 0,
            is_full: false,
        }
    }

    /// Adds a request. One that wants no data at all has ended at once: the caller answers it.
    pub fn add(&mut self, wanted: &Wanted<R>, now: Duration) {
        if wanted.data.is_empty() {
            return;
        }
        self.requests.insert(wanted.id, Pending { unfinished: wanted.data.len(), outcomes: Vec::new() });
        for (data_type, timeframes) in &wanted.data {
            let id = self.fetch_for((wanted.symbol, *data_type), wanted.priority, now);
            let Some(gathering) = self.gathering.get_mut(&id) else {
                debug_assert!(false, "the fetch that takes a request gathers");
                continue;
            };
            gathering.priority = gathering.priority.max(wanted.priority);
            gathering.fetch.requests.push(wanted.id);
            for timeframe in timeframes {
                gathering.fetch.wanted.entry(*timeframe).or_default().insert(wanted.range);
            }
        }
        self.is_full |= self.requests.len() >= self.limits.most_requests;
    }

    /// The next fetch to run, if one is due and there is a place for it. It runs until it is [`Self::finished`].
    pub fn start(&mut self, now: Duration) -> Option<Fetch<R>> {
        if self.running.len() >= self.limits.most_running {
            return None;
        }
        let (_, id) = self
            .startable()
            .filter(|(_, gathering)| gathering.opened + self.limits.gather <= now)
            .map(|(id, gathering)| (Reverse(gathering.priority), id))
            .min()?;
        let fetch = self.gathering.remove(&id)?.fetch;
        let key = (fetch.symbol, fetch.data_type);
        if self.open.get(&key) == Some(&id) {
            self.open.remove(&key);
        }
        self.running.insert(id, Running { key, requests: fetch.requests.clone() });
        Some(fetch)
    }

    /// A fetch has ended; the requests that end with it, in the order of their arrival.
    pub fn finished(&mut self, id: FetchId, outcome: &O) -> Vec<Ended<R, O>> {
        let Some(Running { key: (_, data_type), requests }) = self.running.remove(&id) else {
            return Vec::new();
        };
        let mut ended = Vec::new();
        for id in requests {
            let Some(pending) = self.requests.get_mut(&id) else {
                continue;
            };
            pending.outcomes.push((data_type, outcome.clone()));
            pending.unfinished -= 1;
            if pending.unfinished == 0
                && let Some(pending) = self.requests.remove(&id)
            {
                ended.push(Ended { id, outcomes: pending.outcomes });
            }
        }
        self.ease();
        ended
    }

    /// Requests have gone with their partition: they end in nothing. A fetch that runs for them keeps its place until it is
    /// [`Self::finished`]; these are returned, so that they can be stopped.
    pub fn released(&mut self, is_gone: impl Fn(&R) -> bool) -> Vec<FetchId> {
        self.requests.retain(|id, _| !is_gone(id));
        self.gathering.retain(|_, gathering| {
            gathering.fetch.requests.retain(|id| !is_gone(id));
            !gathering.fetch.requests.is_empty()
        });
        let gathering = &self.gathering;
        self.open.retain(|_, id| gathering.contains_key(id));
        let mut orphans = Vec::new();
        for (id, running) in &mut self.running {
            let had_requests = !running.requests.is_empty();
            running.requests.retain(|id| !is_gone(id));
            if had_requests && running.requests.is_empty() {
                orphans.push(*id);
            }
        }
        self.ease();
        orphans
    }

    /// How long until [`Self::start`] may have something; none when that depends on a fetch that runs.
    #[must_use]
    pub fn next_wake(&self, now: Duration) -> Option<Duration> {
        if self.running.len() >= self.limits.most_running {
            return None;
        }
        let due = self.startable().map(|(_, gathering)| gathering.opened + self.limits.gather).min();
        due.map(|due| due.saturating_sub(now))
    }

    /// How many requests wait for their end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.requests.len()
    }

    /// How many fetches run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether the bound on requests was reached, and less than half of it isn't yet.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Fetches for whose symbol and kind none runs.
    fn startable(&self) -> impl Iterator<Item = (FetchId, &Gathering<R>)> {
        let is_running = |key| self.running.values().any(|running| running.key == key);
        self.gathering
            .iter()
            .filter(move |(_, gathering)| !is_running((gathering.fetch.symbol, gathering.fetch.data_type)))
            .map(|(id, gathering)| (*id, gathering))
    }

    fn fetch_for(&mut self, key: (Symbol, DataType), priority: Priority, now: Duration) -> FetchId {
        let is_open = |gathering: &Gathering<R>| now < gathering.opened + self.limits.longest_gather;
        if let Some(id) = self.open.get(&key)
            && self.gathering.get(id).is_some_and(is_open)
        {
            return *id;
        }
        self.last_id += 1;
        let id = FetchId(self.last_id);
        let (symbol, data_type) = key;
        let fetch = Fetch { id, symbol, data_type, wanted: BTreeMap::new(), requests: Vec::new() };
        self.gathering.insert(id, Gathering { fetch, priority, opened: now });
        self.open.insert(key, id);
        id
    }

    fn ease(&mut self) {
        self.is_full &= self.requests.len() >= self.limits.most_requests / 2;
    }
}
