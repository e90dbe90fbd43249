//! Whether outputs kept the order of their causes, per symbol, priority and sets.

use std::collections::HashMap;

use domain::{FeatureSets, Symbol};

use super::{Count, RequestsByAlert, Seen};

type Key = (Symbol, u8, FeatureSets);

/// The highest position that was seen under each key, and how many came after a higher one.
#[derive(Default)]
struct Order {
    highest: HashMap<Key, i64>,
}

impl Order {
    /// Whether this position comes after a higher one.
    fn is_late(&mut self, key: Key, position: i64) -> bool {
        let highest = self.highest.entry(key).or_insert(position);
        let is_late = position < *highest;
        *highest = (*highest).max(position);
        is_late
    }
}

pub(super) fn count_reordered(seen: &Seen, by_alert: &RequestsByAlert<'_>, count: &mut Count) {
    let mut requests = Order::default();
    for alert in &seen.alerts {
        let Some(request) =
            by_alert.get(&(alert.correlation_id.as_str(), alert.symbol)).and_then(|r| r.first())
        else {
            continue;
        };
        if requests.is_late((alert.symbol, alert.priority, alert.sets), request.offset) {
            count.reordered += 1;
            count.example(count.reordered, || {
                format!("reordered: request {} of {} came too early", request.request_id, alert.symbol)
            });
        }
    }
    let mut offsets: HashMap<(&str, Symbol), i64> = HashMap::new();
    for end in &seen.ends {
        if let Some(offset) = end.vector_offset {
            offsets.entry((&end.request_id, end.symbol)).or_insert(offset);
        }
    }
    let mut vectors = Order::default();
    for request in &seen.requests {
        for symbol in &request.symbols {
            let Some(offset) = offsets.get(&(request.request_id.as_str(), *symbol)) else { continue };
            if vectors.is_late((*symbol, request.priority, request.sets), *offset) {
                count.reordered += 1;
                count.example(count.reordered, || {
                    format!(
                        "reordered: the vector of {symbol} of request {} came too late",
                        request.request_id
                    )
                });
            }
        }
    }
}
