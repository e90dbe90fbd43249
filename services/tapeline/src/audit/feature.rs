//! The feature stage: each symbol of each request ends once, in a vector or in a failure that names it.
//!
//! A request that is in a dead letter has ended as a whole. A failure has no place in the order: it may leave at once, and lies in
//! another topic.

use std::collections::HashSet;

use contracts::Topic;
use domain::Symbol;

use super::order::Order;
use super::seen::{Answer, End, EndKind, Seen};
use super::tally::{Count, Stage};
use super::{Id, Place};

const STAGE: Stage = Stage::Feature;

/// A symbol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Owed {
    request: Id,
    symbol: Symbol,
    place: Place,
    priority: u8,
}

/// A symbol of a request that has a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Answered {
    symbol: Symbol,
    priority: u8,
    request: Place,
    vector_offset: i64,
}

pub(super) fn count(seen: &Seen, count: &mut Count) {
    let owed = owed(seen, count);
    let is_truncated = STAGE.inputs().iter().any(|topic| seen.truncated.contains(topic));
    let known: HashSet<Id> = match is_truncated {
        true => seen.requests.list.iter().map(|request| request.id).collect(),
        false => HashSet::new(),
    };
    let mut answered: Vec<Answered> = Vec::with_capacity(owed.len());
    let (mut owed, mut ends) = (owed.as_slice(), seen.ends.as_slice());
    loop {
        let key = match (owed.first(), ends.first()) {
            (Some(one), Some(end)) => (one.request, one.symbol).min((end.request, end.symbol)),
            (Some(one), None) => (one.request, one.symbol),
            (None, Some(end)) => (end.request, end.symbol),
            (None, None) => break,
        };
        let (wanted, rest) = owed.split_at(owed.partition_point(|one| (one.request, one.symbol) <= key));
        owed = rest;
        let (found, rest) = ends.split_at(ends.partition_point(|end| (end.request, end.symbol) <= key));
        ends = rest;
        compare(key, wanted, found, is_truncated && !known.contains(&key.0), count);
        let vectors = found.iter().filter(|end| end.kind == EndKind::Vector);
        answered.extend(wanted.iter().zip(vectors).map(|(one, end)| Answered {
            symbol: one.symbol,
            priority: one.priority,
            request: one.place,
            vector_offset: end.offset,
        }));
    }
    count_reordered(answered, count);
}

fn owed(seen: &Seen, count: &mut Count) -> Vec<Owed> {
    let mut owed = Vec::with_capacity(seen.requests.members.len());
    for request in &seen.requests.list {
        let symbols = seen.requests.members_of(request);
        count.of(STAGE).inputs += symbols.len() as u64;
        if seen.letters.contains_key(&request.place) {
            continue;
        }
        owed.extend(symbols.iter().map(|member| Owed {
            request: request.id,
            symbol: member.subject.symbol(),
            place: request.place,
            priority: request.priority,
        }));
    }
    owed.sort_unstable();
    owed
}

fn compare(
    (request, symbol): (Id, Symbol),
    owed: &[Owed],
    found: &[End],
    is_unknown: bool,
    count: &mut Count,
) {
    let (owes, has) = (owed.len() as u64, found.len() as u64);
    count.of(STAGE).expected += owes;
    count.of(STAGE).found += owes.min(has);
    for one in owed.iter().skip(found.len()) {
        count.lost(STAGE, || format!("{symbol} of request {request} ({}) has no end", one.place));
    }
    if has > owes && !(is_unknown && owes == 0) {
        count.doubled(STAGE, has - owes, || {
            format!("{symbol} of request {request} ended {has} times, it was asked for {owes} times")
        });
    }
}

fn count_reordered(mut answered: Vec<Answered>, count: &mut Count) {
    answered.sort_unstable();
    let mut order: Order<(Symbol, u8, Topic)> = Order::new();
    for one in answered {
        if order.is_late((one.symbol, one.priority, one.request.topic), one.vector_offset) {
            count.reordered(STAGE, || {
                format!(
                    "the vector at offset {} of {}, for {}, came too early",
                    one.vector_offset, one.symbol, one.request
                )
            });
        }
    }
}

/// From the append of each alert to that of its vector, milliseconds, sorted. `answered` holds for each alert its request.
pub(super) fn latencies_ms(seen: &Seen, answered: &[Option<usize>]) -> Vec<i64> {
    let vector_of = |request: &Answer, symbol: Symbol| {
        let key = (request.id, symbol, EndKind::Vector);
        let at = seen.ends.partition_point(|end| (end.request, end.symbol, end.kind) < key);
        seen.ends.get(at).filter(|end| (end.request, end.symbol, end.kind) == key)
    };
    let latency = |(alert, request): (&super::Ask, &Option<usize>)| {
        let request = seen.requests.list.get((*request)?)?;
        let vector = vector_of(request, alert.subject.symbol())?;
        Some(vector.appended_at_ms - alert.appended_at_ms)
    };
    let mut latencies: Vec<i64> = seen.alerts.iter().zip(answered).filter_map(latency).collect();
    latencies.sort_unstable();
    latencies
}
