//! Counts what a run lost, doubled and reordered, from the topics alone.
//!
//! It knows the rules of the domain (which alert passes the dedup window, what a request owes) and nothing of the
//! services: none of their counters, none of their state. Pure: records in, counts out; reading the topics is
//! [`crate::collect`]'s task.

mod order;
mod window;

use std::collections::{BTreeMap, HashMap};

use domain::{FeatureSets, Symbol};

/// A finding as the alert topic holds it, with what the mapping asks for it.
#[derive(Debug, Clone)]
pub struct AlertSeen {
    /// What requests name it by: its correlation id, or its event id where it has none.
    pub correlation_id: String,
    /// Its symbol.
    pub symbol: Symbol,
    /// The sets that its type asks for.
    pub sets: FeatureSets,
    /// The priority of its score and type.
    pub priority: u8,
    /// Manual requests stand outside the dedup window.
    pub is_manual: bool,
    /// Event time, microseconds.
    pub occurred_at_micros: i64,
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub offset: i64,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
}

/// A request for features, from either of the two topics.
#[derive(Debug, Clone)]
pub struct RequestSeen {
    /// Its id.
    pub request_id: String,
    /// The symbols that it owes an answer for.
    pub symbols: Vec<Symbol>,
    /// The sets that it asks for.
    pub sets: FeatureSets,
    /// Its priority.
    pub priority: u8,
    /// The findings that it answers.
    pub correlation_ids: Vec<String>,
    /// Its offset; requests of one symbol and priority lie in one partition of one topic.
    pub offset: i64,
}

/// An end of one symbol of a request: its vector, or its failure.
#[derive(Debug, Clone)]
pub struct EndSeen {
    /// The request.
    pub request_id: String,
    /// The symbol.
    pub symbol: Symbol,
    /// The offset of a vector; `None` for a failure, which lies in another topic.
    pub vector_offset: Option<i64>,
    /// Append time, milliseconds.
    pub appended_at_ms: i64,
}

/// Everything that a run left in the topics.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// In order of partition and offset.
    pub alerts: Vec<AlertSeen>,
    /// In order of topic, partition and offset.
    pub requests: Vec<RequestSeen>,
    /// In order of partition and offset.
    pub ends: Vec<EndSeen>,
}

/// What the count found. All zero when nothing went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Alerts in no request that no window covers, and symbols of requests that ended in nothing.
    pub lost: u64,
    /// Alerts answered by more requests than they were raised, and symbols of requests that ended more than once.
    pub doubled: u64,
    /// Per symbol, priority and sets: requests out of the order of their alerts, vectors out of the order of their requests.
    pub reordered: u64,
    /// From the append of an alert to that of its vector, milliseconds, sorted.
    pub latencies_ms: Vec<i64>,
    /// What the counts are made of, the first few of each, for a person.
    pub examples: Vec<String>,
}

/// How many examples of each kind are kept for a person.
const EXAMPLES_MAX: usize = 5;

/// Counts a run's records under a dedup window of `window_micros`.
#[must_use]
pub fn count(seen: &Seen, window_micros: i64) -> Count {
    let mut count = Count::default();
    let by_alert = requests_by_alert(&seen.requests);
    window::count_lost_alerts(seen, &by_alert, window_micros, &mut count);
    count_doubled_alerts(seen, &by_alert, &mut count);
    count_ends(seen, &mut count);
    order::count_reordered(seen, &by_alert, &mut count);
    count.latencies_ms = latencies_ms(seen, &by_alert);
    count
}

/// The requests that name an alert, by correlation id and symbol.
type RequestsByAlert<'a> = HashMap<(&'a str, Symbol), Vec<&'a RequestSeen>>;

fn requests_by_alert(requests: &[RequestSeen]) -> RequestsByAlert<'_> {
    let mut by_alert: RequestsByAlert<'_> = HashMap::new();
    for request in requests {
        for id in &request.correlation_ids {
            for symbol in &request.symbols {
                by_alert.entry((id, *symbol)).or_default().push(request);
            }
        }
    }
    by_alert
}

fn count_doubled_alerts(seen: &Seen, by_alert: &RequestsByAlert<'_>, count: &mut Count) {
    let mut raised: HashMap<(&str, Symbol), usize> = HashMap::new();
    for alert in &seen.alerts {
        *raised.entry((&alert.correlation_id, alert.symbol)).or_default() += 1;
    }
    for ((id, symbol), times) in raised {
        let answered = by_alert.get(&(id, symbol)).map_or(0, Vec::len);
        for _ in times..answered {
            count.doubled += 1;
            count.example(count.doubled, || {
                format!("doubled: alert {id} of {symbol} is in {answered} requests")
            });
        }
    }
}

/// Each symbol of each request ends once.
fn count_ends(seen: &Seen, count: &mut Count) {
    let mut ends: HashMap<(&str, Symbol), u64> = HashMap::new();
    for end in &seen.ends {
        *ends.entry((&end.request_id, end.symbol)).or_default() += 1;
    }
    let mut owed: BTreeMap<(&str, Symbol), u64> = BTreeMap::new();
    for request in &seen.requests {
        for symbol in &request.symbols {
            owed.insert((&request.request_id, *symbol), 1);
        }
    }
    for (key @ (request, symbol), owed) in owed {
        let found = ends.get(&key).copied().unwrap_or(0);
        if found < owed {
            count.lost += 1;
            count.example(count.lost, || {
                format!("lost: {symbol} of request {request} has no vector and no failure")
            });
        }
        if found > owed {
            count.doubled += found - owed;
            count.example(count.doubled, || {
                format!("doubled: {symbol} of request {request} ended {found} times")
            });
        }
    }
}

fn latencies_ms(seen: &Seen, by_alert: &RequestsByAlert<'_>) -> Vec<i64> {
    let mut vectors: HashMap<(&str, Symbol), i64> = HashMap::new();
    for end in seen.ends.iter().filter(|end| end.vector_offset.is_some()) {
        vectors.entry((&end.request_id, end.symbol)).or_insert(end.appended_at_ms);
    }
    let mut latencies: Vec<i64> = seen
        .alerts
        .iter()
        .filter_map(|alert| {
            let request = by_alert.get(&(alert.correlation_id.as_str(), alert.symbol))?.first()?;
            let vector = vectors.get(&(request.request_id.as_str(), alert.symbol))?;
            Some(vector - alert.appended_at_ms)
        })
        .collect();
    latencies.sort_unstable();
    latencies
}

impl Count {
    fn example(&mut self, so_far: u64, text: impl FnOnce() -> String) {
        if usize::try_from(so_far).is_ok_and(|n| n <= EXAMPLES_MAX) {
            self.examples.push(text());
        }
    }
}

#[cfg(test)]
mod tests;
