//! How far each finding has come: alert → request → vector or failure, as records are read. Pure.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use contracts::{Alert, FeatureRequest, RangeCompletion, RangeFailure, RequestFailure, Vector};

/// Where an alert lies in its topic: partition and offset, as the edge answers.
pub type Place = (i32, i64);

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not read yet.
    Unread,
    /// Read, and in no request so far: it waits, or a window covers it.
    NotAsked,
    /// In a request that has not ended for its symbol.
    Asked,
    /// Its symbol has ended in every request that names it.
    Ended,
}

/// What has been read.
#[derive(Debug, Default)]
pub struct Flow {
    alerts: HashMap<Place, (String, String)>,
    /// By the id that requests name alerts by.
    named: HashMap<String, Named>,
    /// By request id. Topics are read side by side: a request's ends may come before the request itself.
    requests: HashMap<String, Asked>,
    backfilled: HashMap<String, String>,
    /// Vectors read so far.
    pub vectors: u64,
    /// The newest vector's symbol and number of sets, for a live line.
    pub newest: Option<(String, usize)>,
}

/// An id, held while an alert of that id is.
#[derive(Debug, Default)]
struct Named {
    alerts: usize,
    requests: Vec<String>,
}

/// A request, held while an id that it names is: one end may answer several alerts.
#[derive(Debug, Default)]
struct Asked {
    ids: usize,
    symbols: HashSet<String>,
    ended: HashSet<String>,
}

impl Flow {
    /// An alert was read.
    pub fn alert(&mut self, place: Place, alert: Alert) {
        let id = alert.correlation_id.unwrap_or(alert.event_id);
        self.named.entry(id.clone()).or_default().alerts += 1;
        self.alerts.insert(place, (id, alert.symbol));
    }

    /// A request was read.
    pub fn request(&mut self, request: FeatureRequest) {
        let asked = self.requests.entry(request.request_id.clone()).or_default();
        asked.symbols.extend(request.symbols.into_iter().map(|asked| asked.symbol));
        asked.ids += request.correlation_ids.len();
        for id in request.correlation_ids {
            self.named.entry(id).or_default().requests.push(request.request_id.clone());
        }
    }

    /// A vector was read.
    pub fn vector(&mut self, vector: Vector) {
        self.vectors += 1;
        self.newest = Some((vector.symbol.clone(), vector.sets.len()));
        self.requests.entry(vector.request_id).or_default().ended.insert(vector.symbol);
    }

    /// A failure was read.
    pub fn failure(&mut self, failure: RequestFailure) {
        self.requests.entry(failure.request_id).or_default().ended.extend(failure.symbols);
    }

    /// A backfill ended, with what there is to say of it.
    pub fn backfill_completed(&mut self, completion: RangeCompletion) {
        let text = if completion.partial { completion.errors.join("; ") } else { String::new() };
        self.backfilled.insert(completion.symbol, text);
    }

    /// A backfill failed.
    pub fn backfill_failed(&mut self, failure: RangeFailure) {
        self.backfilled.insert(failure.symbol, failure.error);
    }

    /// Whether a backfill of the symbol has ended; the text says what went wrong with it, if anything.
    #[must_use]
    pub fn backfill_of(&self, symbol: &str) -> Option<&str> {
        self.backfilled.get(symbol).map(String::as_str)
    }

    /// Forgets an alert that has come to its end, so that a long run holds no more than what is under way.
    pub fn forget(&mut self, place: Place) {
        let Some((id, _)) = self.alerts.remove(&place) else { return };
        let Entry::Occupied(mut named) = self.named.entry(id) else { return };
        named.get_mut().alerts = named.get().alerts.saturating_sub(1);
        if named.get().alerts > 0 {
            return;
        }
        for request in named.remove().requests {
            let Entry::Occupied(mut asked) = self.requests.entry(request) else { continue };
            asked.get_mut().ids = asked.get().ids.saturating_sub(1);
            if asked.get().ids == 0 {
                asked.remove();
            }
        }
    }

    /// Where the alert at this place stands.
    #[must_use]
    pub fn progress(&self, place: Place) -> Progress {
        let Some((id, symbol)) = self.alerts.get(&place) else { return Progress::Unread };
        let requests = self.named.get(id).map_or(&[][..], |named| &named.requests);
        let asked = requests.iter().filter_map(|request| self.requests.get(request));
        let mut asked = asked.filter(|asked| asked.symbols.contains(symbol)).peekable();
        if asked.peek().is_none() {
            return Progress::NotAsked;
        }
        if asked.all(|asked| asked.ended.contains(symbol)) { Progress::Ended } else { Progress::Asked }
    }
}

#[cfg(test)]
#[path = "alert_tracker/tests.rs"]
mod tests;
