//! The feature stage: each symbol of each request has exactly one vector, or one failure that names it.
//!
//! A dead-lettered request requires neither. Failures are not checked for order: the stage may emit them at once, and they are written to
//! another topic.

use std::collections::HashSet;

use contracts::Topic;
use domain::Symbol;

use super::id::Id;
use super::order_check::OrderCheck;
use super::records::{AuditRecords, SymbolEnd, SymbolEndKind, WindowedInput, WindowedOutput};
use super::result::AuditResult;
use super::stage::Stage;
use crate::record_position::RecordPosition;

const STAGE: Stage = Stage::Feature;

/// A symbol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ExpectedSymbol {
    request: Id,
    symbol: Symbol,
    position: RecordPosition,
    priority: u8,
}

/// A symbol of a request with its vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ComputedSymbol {
    symbol: Symbol,
    priority: u8,
    request: RecordPosition,
    vector_offset: i64,
}

pub(super) fn count(records: &AuditRecords, result: &mut AuditResult) {
    let requested = requested_symbols(records, result);
    let is_truncated = STAGE.inputs().iter().any(|topic| records.truncated.contains(topic));
    let known: HashSet<Id> = match is_truncated {
        true => records.requests.list.iter().map(|request| request.id).collect(),
        false => HashSet::new(),
    };
    let mut computed: Vec<ComputedSymbol> = Vec::with_capacity(requested.len());
    let (mut requested, mut ends) = (requested.as_slice(), records.symbol_ends.as_slice());
    loop {
        let key = match (requested.first(), ends.first()) {
            (Some(one), Some(end)) => (one.request, one.symbol).min((end.request, end.symbol)),
            (Some(one), None) => (one.request, one.symbol),
            (None, Some(end)) => (end.request, end.symbol),
            (None, None) => break,
        };
        let (expected, rest) =
            requested.split_at(requested.partition_point(|one| (one.request, one.symbol) <= key));
        requested = rest;
        let (found, rest) = ends.split_at(ends.partition_point(|end| (end.request, end.symbol) <= key));
        ends = rest;
        compare(key, expected, found, is_truncated && !known.contains(&key.0), result);
        let vectors = found.iter().filter(|end| end.kind == SymbolEndKind::Vector);
        computed.extend(expected.iter().zip(vectors).map(|(one, end)| ComputedSymbol {
            symbol: one.symbol,
            priority: one.priority,
            request: one.position,
            vector_offset: end.offset,
        }));
    }
    count_reordered(computed, result);
}

fn requested_symbols(records: &AuditRecords, result: &mut AuditResult) -> Vec<ExpectedSymbol> {
    let mut requested = Vec::with_capacity(records.requests.members.len());
    for request in &records.requests.list {
        let members = records.requests.members_of(request);
        result.tally(STAGE).inputs += members.len() as u64;
        if records.dead_letters.contains_key(&request.position) {
            continue;
        }
        requested.extend(members.iter().map(|member| ExpectedSymbol {
            request: request.id,
            symbol: member.subject.symbol(),
            position: request.position,
            priority: request.priority,
        }));
    }
    requested.sort_unstable();
    requested
}

fn compare(
    (request, symbol): (Id, Symbol),
    expected: &[ExpectedSymbol],
    found: &[SymbolEnd],
    is_unknown: bool,
    result: &mut AuditResult,
) {
    let (expected_count, found_count) = (expected.len() as u64, found.len() as u64);
    result.tally(STAGE).expected += expected_count;
    result.tally(STAGE).found += expected_count.min(found_count);
    for one in expected.iter().skip(found.len()) {
        result.lost(STAGE, || {
            format!("{symbol} of request {request} ({}) has no vector or failure", one.position)
        });
    }
    if found_count > expected_count && !(is_unknown && expected_count == 0) {
        result.doubled(STAGE, found_count - expected_count, || {
            format!(
                "{symbol} of request {request} has {found_count} vectors or failures, expected {expected_count}"
            )
        });
    }
}

fn count_reordered(mut computed: Vec<ComputedSymbol>, result: &mut AuditResult) {
    computed.sort_unstable();
    let mut order: OrderCheck<(Symbol, u8, Topic)> = OrderCheck::new();
    for one in computed {
        if order.is_reordered((one.symbol, one.priority, one.request.topic), one.vector_offset) {
            result.reordered(STAGE, || {
                format!(
                    "the vector at offset {} of {} for {} precedes one of an earlier request",
                    one.vector_offset, one.symbol, one.request
                )
            });
        }
    }
}

/// Returns the times from the append of each alert to the append of its vector, milliseconds, sorted. `requested` has the request of
/// each alert.
pub(super) fn latencies_ms(records: &AuditRecords, requested: &[Option<usize>]) -> Vec<i64> {
    let vector_of = |request: &WindowedOutput, symbol: Symbol| {
        let key = (request.id, symbol, SymbolEndKind::Vector);
        let at = records.symbol_ends.partition_point(|end| (end.request, end.symbol, end.kind) < key);
        records.symbol_ends.get(at).filter(|end| (end.request, end.symbol, end.kind) == key)
    };
    let latency = |(alert, request): (&WindowedInput, &Option<usize>)| {
        let request = records.requests.list.get((*request)?)?;
        let vector = vector_of(request, alert.subject.symbol())?;
        Some(vector.appended_at_ms - alert.appended_at_ms)
    };
    let mut latencies: Vec<i64> = records.alerts.iter().zip(requested).filter_map(latency).collect();
    latencies.sort_unstable();
    latencies
}
