//! Batches: symbols whose alerts request the same feature sets, timeframe and priority.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FeatureSets, Priority, Symbol, Timeframe, Timestamp};

use super::windows::{Window, WindowedAlert};

/// The properties that all alerts of a batch share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey {
    /// The partition of all its symbols.
    pub partition: i32,
    pub priority: Priority,
    /// The timeframe of the bars.
    pub timeframe: Timeframe,
    /// The requested feature sets.
    pub sets: FeatureSets,
}

/// An alert that passed deduplication and joins a batch.
#[derive(Debug, Clone)]
pub struct Arrival<I> {
    /// The input record that is held until the batch is emitted.
    pub id: I,
    /// The key of its batch.
    pub key: BatchKey,
    pub symbol: Symbol,
    /// Its dedup window. `None` for an alert without one: type `manual`, or older than the window of its symbol.
    pub window: Option<Window>,
    /// The alert's offset in its partition.
    pub offset: i64,
    pub occurred_at: Timestamp,
    /// The alert's correlation id, or its event id if it has none.
    pub correlation_id: String,
    /// The scanner that raised it.
    pub source_scanner: String,
}

/// One symbol of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub symbol: Symbol,
    /// The occurrence that opened the newest window of its alerts. `None` if none of them is in a window.
    pub window: Option<Timestamp>,
    /// The newest occurrence of its alerts.
    pub occurred_at: Timestamp,
    /// The occurrence of the alert that joined first, used if there is no window.
    first_occurred_at: Timestamp,
}

impl Member {
    /// Creates the member of a symbol whose first alert occurred at `occurred_at`.
    pub(super) const fn of(symbol: Symbol, window: Option<Timestamp>, occurred_at: Timestamp) -> Self {
        Self { symbol, window, occurred_at, first_occurred_at: occurred_at }
    }

    /// Returns `first_seen` of the request: the occurrence that opened the symbol's window.
    ///
    /// Usually all alerts of a member are in one window. If an alert of a later window joins while an older one is still held, the
    /// newer window is returned, because it is the symbol's current one.
    #[must_use]
    pub fn first_seen(&self) -> Timestamp {
        self.window.unwrap_or(self.first_occurred_at)
    }
}

/// A complete batch, to be emitted as one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<I> {
    pub key: BatchKey,
    /// Its symbols, sorted, each once.
    pub members: Vec<Member>,
    /// The alerts that are in a window, in order of arrival.
    pub windowed: Vec<WindowedAlert>,
    /// One per alert, in order of arrival.
    pub correlation_ids: Vec<String>,
    /// The scanners that raised the alerts, sorted, each once.
    pub source_scanners: Vec<String>,
    /// The input records that the request resolves, in order of arrival.
    pub ids: Vec<I>,
}

/// A batch that alerts can still join.
#[derive(Debug)]
pub(super) struct OpenBatch<I> {
    pub(super) key: BatchKey,
    members: BTreeMap<Symbol, Member>,
    windowed: Vec<WindowedAlert>,
    correlation_ids: Vec<String>,
    source_scanners: BTreeSet<String>,
    ids: Vec<I>,
}

impl<I> OpenBatch<I> {
    pub(super) const fn new(key: BatchKey) -> Self {
        Self {
            key,
            members: BTreeMap::new(),
            windowed: Vec::new(),
            correlation_ids: Vec::new(),
            source_scanners: BTreeSet::new(),
            ids: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, arrival: Arrival<I>) {
        let Arrival { id, symbol, window, offset, occurred_at, correlation_id, source_scanner, .. } = arrival;
        self.windowed.extend(window.map(|window| WindowedAlert { symbol, offset, window }));
        let window = window.map(|window| window.first_seen);
        let member = self.members.entry(symbol).or_insert(Member::of(symbol, window, occurred_at));
        member.window = member.window.max(window);
        member.occurred_at = member.occurred_at.max(occurred_at);
        self.correlation_ids.push(correlation_id);
        self.source_scanners.insert(source_scanner);
        self.ids.push(id);
    }

    pub(super) fn contains(&self, symbol: Symbol) -> bool {
        self.members.contains_key(&symbol)
    }

    pub(super) fn symbols(&self) -> usize {
        self.members.len()
    }

    pub(super) fn records(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn into_batch(self) -> Batch<I> {
        Batch {
            key: self.key,
            members: self.members.into_values().collect(),
            windowed: self.windowed,
            correlation_ids: self.correlation_ids,
            source_scanners: self.source_scanners.into_iter().collect(),
            ids: self.ids,
        }
    }
}
