//! What leaves together: symbols whose alerts ask for the same, at the same priority.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FeatureSets, Priority, Symbol, Timeframe, Timestamp};

use super::marks::{Mark, Window};

/// What the alerts of one batch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchKey {
    /// The partition that all its symbols have.
    pub partition: i32,
    /// How urgent it is.
    pub priority: Priority,
    /// The timeframe of the bars.
    pub timeframe: Timeframe,
    /// What is asked for.
    pub sets: FeatureSets,
}

/// An alert that passed its window, on its way into a batch.
#[derive(Debug, Clone)]
pub struct Arrival<I> {
    /// The input record that waits for the batch.
    pub id: I,
    /// Which batch it joins.
    pub key: BatchKey,
    /// Whose features.
    pub symbol: Symbol,
    /// Its window; none for an alert outside of windows (`manual`, or older than its window).
    pub window: Option<Window>,
    /// Where the alert lies in its partition.
    pub offset: i64,
    /// When the alert occurred.
    pub occurred_at: Timestamp,
    /// The alert's correlation id, or its event id when it has none.
    pub correlation_id: String,
    /// The scanner that raised it.
    pub source_scanner: String,
}

/// One symbol of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Whose features.
    pub symbol: Symbol,
    /// The occurrence that opened the newest window that its alerts lie in, if any does.
    pub window: Option<Timestamp>,
    /// The newest of its alerts.
    pub occurred_at: Timestamp,
    /// What stands for the window when there is none: the occurrence of its first alert.
    own_first: Timestamp,
}

impl Member {
    /// A symbol of which an alert came at `occurred_at`.
    pub(super) const fn of(symbol: Symbol, window: Option<Timestamp>, occurred_at: Timestamp) -> Self {
        Self { symbol, window, occurred_at, own_first: occurred_at }
    }

    /// What the request says: the occurrence that opened the symbol's window.
    ///
    /// Usually all alerts of a member lie in one window. When one that waited was overtaken by an alert after its window, the newer
    /// window is told: it is the one that the symbol has now.
    #[must_use]
    pub fn first_seen(&self) -> Timestamp {
        self.window.unwrap_or(self.own_first)
    }
}

/// A batch that has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch<I> {
    /// What its alerts have in common.
    pub key: BatchKey,
    /// Its symbols, sorted, each once.
    pub members: Vec<Member>,
    /// One for each alert that lies in a window, in the order of their arrival.
    pub marks: Vec<Mark>,
    /// One for each alert, in the order of their arrival.
    pub correlation_ids: Vec<String>,
    /// The scanners that raised the alerts, sorted, each once.
    pub source_scanners: Vec<String>,
    /// The input records that end with it, in the order of their arrival.
    pub ids: Vec<I>,
}

/// A batch that still takes alerts.
#[derive(Debug)]
pub(super) struct OpenBatch<I> {
    pub(super) key: BatchKey,
    members: BTreeMap<Symbol, Member>,
    marks: Vec<Mark>,
    correlation_ids: Vec<String>,
    source_scanners: BTreeSet<String>,
    ids: Vec<I>,
}

impl<I> OpenBatch<I> {
    pub(super) const fn new(key: BatchKey) -> Self {
        Self {
            key,
            members: BTreeMap::new(),
            marks: Vec::new(),
            correlation_ids: Vec::new(),
            source_scanners: BTreeSet::new(),
            ids: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, arrival: Arrival<I>) {
        let Arrival { id, symbol, window, offset, occurred_at, correlation_id, source_scanner, .. } = arrival;
        self.marks.extend(window.map(|window| Mark { symbol, offset, window }));
        let window = window.map(|window| window.first_seen);
        let member = self.members.entry(symbol).or_insert(Member::of(symbol, window, occurred_at));
        member.window = member.window.max(window);
        member.occurred_at = member.occurred_at.max(occurred_at);
        self.correlation_ids.push(correlation_id);
        self.source_scanners.insert(source_scanner);
        self.ids.push(id);
    }

    pub(super) fn holds(&self, symbol: Symbol) -> bool {
        self.members.contains_key(&symbol)
    }

    pub(super) fn symbols(&self) -> usize {
        self.members.len()
    }

    pub(super) fn records(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn leave(self) -> Batch<I> {
        Batch {
            key: self.key,
            members: self.members.into_values().collect(),
            marks: self.marks,
            correlation_ids: self.correlation_ids,
            source_scanners: self.source_scanners.into_iter().collect(),
            ids: self.ids,
        }
    }
}
