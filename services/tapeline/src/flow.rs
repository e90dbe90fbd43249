//! How far each finding has come: alert → request → vector or failure, as records are read. Pure.

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
    requests: HashMap<(String, String), Vec<String>>,
    ended: HashSet<(String, String)>,
    backfilled: HashMap<String, String>,
    /// Vectors read so far.
    pub vectors: u64,
    /// The newest vector's symbol and number of sets, for a live line.
    pub newest: Option<(String, usize)>,
}

impl Flow {
    /// An alert was read.
    pub fn alert(&mut self, place: Place, alert: Alert) {
        let id = alert.correlation_id.unwrap_or(alert.event_id);
        self.alerts.insert(place, (id, alert.symbol));
    }

    /// A request was read.
    pub fn request(&mut self, request: FeatureRequest) {
        for id in request.correlation_ids {
            for asked in &request.symbols {
                let requests = self.requests.entry((id.clone(), asked.symbol.clone())).or_default();
                requests.push(request.request_id.clone());
            }
        }
    }

    /// A vector was read.
    pub fn vector(&mut self, vector: Vector) {
        self.vectors += 1;
        self.newest = Some((vector.symbol.clone(), vector.sets.len()));
        self.ended.insert((vector.request_id, vector.symbol));
    }

    /// A failure was read.
    pub fn failure(&mut self, failure: RequestFailure) {
        for symbol in failure.symbols {
            self.ended.insert((failure.request_id.clone(), symbol));
        }
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
        let Some(alert) = self.alerts.remove(&place) else { return };
        for request in self.requests.remove(&alert).unwrap_or_default() {
            self.ended.remove(&(request, alert.1.clone()));
        }
    }

    /// Where the alert at this place stands.
    #[must_use]
    pub fn progress(&self, place: Place) -> Progress {
        let Some(alert) = self.alerts.get(&place) else { return Progress::Unread };
        let Some(requests) = self.requests.get(alert) else { return Progress::NotAsked };
        let symbol = &alert.1;
        let is_ended = |request: &String| self.ended.contains(&(request.clone(), symbol.clone()));
        if requests.iter().all(is_ended) { Progress::Ended } else { Progress::Asked }
    }
}
