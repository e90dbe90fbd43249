//! The planner: each fact has the one request that names it.
//!
//! They are matched by what caused them (symbol, trigger, cause, layer or gap, the last instant), so that the configured data types and
//! lookbacks don't matter. A layer for which no data types are configured asks for nothing; here every layer asks.

use domain::Symbol;

use super::order::Order;
use super::seen::{Fact, Seen};
use super::tally::{Count, Stage};

const STAGE: Stage = Stage::Planner;

pub(super) fn count(seen: &Seen, count: &mut Count) {
    count.of(STAGE).inputs += seen.facts.len() as u64 + seen.idle_facts;
    count.of(STAGE).covered += seen.idle_facts;
    let facts: Vec<Fact> =
        seen.facts.iter().filter(|fact| !seen.letters.contains_key(&fact.place)).copied().collect();
    let is_truncated = STAGE.inputs().iter().any(|topic| seen.truncated.contains(topic));
    let mut planned: Vec<(Fact, i64)> = Vec::with_capacity(facts.len());
    let (mut facts, mut requests) = (facts.as_slice(), seen.planned.as_slice());
    loop {
        let name = match (facts.first(), requests.first()) {
            (Some(fact), Some(request)) => name(fact).min(name(request)),
            (Some(one), None) | (None, Some(one)) => name(one),
            (None, None) => break,
        };
        let (owing, rest) = facts.split_at(facts.partition_point(|fact| self::name(fact) <= name));
        facts = rest;
        let (found, rest) = requests.split_at(requests.partition_point(|one| self::name(one) <= name));
        requests = rest;
        let (owes, has) = (owing.len() as u64, found.len() as u64);
        count.of(STAGE).expected += owes;
        count.of(STAGE).found += owes.min(has);
        for fact in owing.iter().skip(found.len()) {
            count.lost(STAGE, || format!("{} ({}) has no request", fact.place, fact.symbol));
        }
        for request in found.iter().skip(owing.len()).filter(|_| !(is_truncated && owing.is_empty())) {
            count.doubled(STAGE, 1, || {
                format!(
                    "{} ({}) is of no fact, or of one that has its request",
                    request.place, request.symbol
                )
            });
        }
        planned.extend(owing.iter().zip(found).map(|(fact, request)| (*fact, request.place.offset)));
    }
    planned.sort_unstable_by_key(|(fact, _)| fact.place);
    let mut order: Order<(Symbol, u8)> = Order::new();
    for (fact, offset) in planned {
        if order.is_late((fact.symbol, fact.trigger), offset) {
            count.reordered(STAGE, || {
                format!("the request at offset {offset}, of {}, came too early", fact.place)
            });
        }
    }
}

/// What a fact and its request have in common.
fn name(fact: &Fact) -> (u8, Symbol, super::Id, Option<i32>, Option<i64>, i64) {
    (fact.trigger, fact.symbol, fact.cause, fact.layer, fact.start, fact.end)
}
