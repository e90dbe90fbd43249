//! State of each alert of a run (alert → request → vector or failure), from the records that were read. Pure.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use contracts::{Alert, FeatureRequest, RangeCompletion, RangeFailure, RequestFailure, Vector};

/// Partition and offset of an alert in its topic, as the edge returns them.
pub(super) type AlertPosition = (i32, i64);

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertState {
    /// Not read yet.
    Unread,
    /// Read, and in no request so far: it is held by the bridge, or a window covers it.
    NotRequested,
    /// In a request that has no vector or failure for its symbol yet.
    Requested,
    /// Every request that names it has a vector or failure for its symbol.
    Resolved,
}

/// The records read so far.
#[derive(Debug, Default)]
pub struct AlertTracker {
    /// Id and symbol of each alert.
    alerts: HashMap<AlertPosition, (String, String)>,
    /// By the id by which requests name alerts.
    ids: HashMap<String, AlertId>,
    /// By request id. Topics are read concurrently: a vector may be read before its request.
    requests: HashMap<String, Request>,
    backfills: HashMap<String, String>,
    /// Number of vectors read.
    pub vectors: u64,
    /// Symbol and number of sets of the newest vector, for the status line.
    pub newest: Option<(String, usize)>,
}

/// An id. It is kept while an alert of that id is.
#[derive(Debug, Default)]
struct AlertId {
    alerts: usize,
    requests: Vec<String>,
}

/// A request. It is kept while an id that it names is: one vector may resolve several alerts.
#[derive(Debug, Default)]
struct Request {
    ids: usize,
    symbols: HashSet<String>,
    resolved: HashSet<String>,
}

impl AlertTracker {
    /// Records an alert.
    pub fn alert(&mut self, position: AlertPosition, alert: Alert) {
        let id = alert.correlation_id.unwrap_or(alert.event_id);
        self.ids.entry(id.clone()).or_default().alerts += 1;
        self.alerts.insert(position, (id, alert.symbol));
    }

    /// Records a request.
    pub fn request(&mut self, event: FeatureRequest) {
        let request = self.requests.entry(event.request_id.clone()).or_default();
        request.symbols.extend(event.symbols.into_iter().map(|requested| requested.symbol));
        request.ids += event.correlation_ids.len();
        for id in event.correlation_ids {
            self.ids.entry(id).or_default().requests.push(event.request_id.clone());
        }
    }

    /// Records a vector.
    pub fn vector(&mut self, vector: Vector) {
        self.vectors += 1;
        self.newest = Some((vector.symbol.clone(), vector.sets.len()));
        self.requests.entry(vector.request_id).or_default().resolved.insert(vector.symbol);
    }

    /// Records a failed request.
    pub fn failure(&mut self, failure: RequestFailure) {
        self.requests.entry(failure.request_id).or_default().resolved.extend(failure.symbols);
    }

    /// Records a completed backfill, with its errors if it is partial.
    pub fn backfill_completed(&mut self, completion: RangeCompletion) {
        let errors = if completion.partial { completion.errors.join("; ") } else { String::new() };
        self.backfills.insert(completion.symbol, errors);
    }

    /// Records a failed backfill.
    pub fn backfill_failed(&mut self, failure: RangeFailure) {
        self.backfills.insert(failure.symbol, failure.error);
    }

    /// Returns the errors of the symbol's last ended backfill, empty if it succeeded. `None` if no backfill has ended.
    #[must_use]
    pub fn backfill_errors(&self, symbol: &str) -> Option<&str> {
        self.backfills.get(symbol).map(String::as_str)
    }

    /// Removes a resolved alert, so that memory is bounded by the unresolved ones.
    pub fn remove(&mut self, position: AlertPosition) {
        let Some((id, _)) = self.alerts.remove(&position) else { return };
        let Entry::Occupied(mut id) = self.ids.entry(id) else { return };
        id.get_mut().alerts = id.get().alerts.saturating_sub(1);
        if id.get().alerts > 0 {
            return;
        }
        for request in id.remove().requests {
            let Entry::Occupied(mut request) = self.requests.entry(request) else { continue };
            request.get_mut().ids = request.get().ids.saturating_sub(1);
            if request.get().ids == 0 {
                request.remove();
            }
        }
    }

    /// Returns the state of the alert at this position.
    #[must_use]
    pub fn state(&self, position: AlertPosition) -> AlertState {
        let Some((id, symbol)) = self.alerts.get(&position) else { return AlertState::Unread };
        let requests = self.ids.get(id).map_or(&[][..], |id| &id.requests);
        let requests = requests.iter().filter_map(|request| self.requests.get(request));
        let mut requests = requests.filter(|request| request.symbols.contains(symbol)).peekable();
        if requests.peek().is_none() {
            return AlertState::NotRequested;
        }
        if requests.all(|request| request.resolved.contains(symbol)) {
            AlertState::Resolved
        } else {
            AlertState::Requested
        }
    }
}

#[cfg(test)]
mod tests;
