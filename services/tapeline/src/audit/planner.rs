//! The planner: each cause of a backfill has exactly one range request that names it.
//!
//! Causes and requests are matched by symbol, trigger, id, layer or gap, and last instant, so that the configured data types and
//! lookbacks do not matter. A layer without configured data types requires no request; the audit expects one for every layer.

use domain::Symbol;

use super::id::Id;
use super::order_check::OrderCheck;
use super::records::{AuditRecords, BackfillCause};
use super::result::AuditResult;
use super::stage::Stage;

const STAGE: Stage = Stage::Planner;

pub(super) fn count(records: &AuditRecords, result: &mut AuditResult) {
    result.tally(STAGE).inputs += records.causes.len() as u64 + records.short_gaps;
    result.tally(STAGE).covered += records.short_gaps;
    let is_alive = |cause: &&BackfillCause| !records.dead_letters.contains_key(&cause.position);
    let causes: Vec<BackfillCause> = records.causes.iter().filter(is_alive).copied().collect();
    let is_truncated = STAGE.inputs().iter().any(|topic| records.truncated.contains(topic));
    let mut planned: Vec<(BackfillCause, i64)> = Vec::with_capacity(causes.len());
    let (mut causes, mut requests) = (causes.as_slice(), records.planned.as_slice());
    loop {
        let key = match (causes.first(), requests.first()) {
            (Some(cause), Some(request)) => key_of(cause).min(key_of(request)),
            (Some(one), None) | (None, Some(one)) => key_of(one),
            (None, None) => break,
        };
        let (expected, rest) = causes.split_at(causes.partition_point(|cause| key_of(cause) <= key));
        causes = rest;
        let (found, rest) = requests.split_at(requests.partition_point(|request| key_of(request) <= key));
        requests = rest;
        let (expected_count, found_count) = (expected.len() as u64, found.len() as u64);
        result.tally(STAGE).expected += expected_count;
        result.tally(STAGE).found += expected_count.min(found_count);
        for cause in expected.iter().skip(found.len()) {
            result.lost(STAGE, || format!("{} ({}) has no range request", cause.position, cause.symbol));
        }
        let is_unknown = is_truncated && expected.is_empty();
        for request in found.iter().skip(expected.len()).filter(|_| !is_unknown) {
            result.doubled(STAGE, 1, || {
                format!(
                    "{} ({}) names no cause, or one that has a range request",
                    request.position, request.symbol
                )
            });
        }
        planned.extend(expected.iter().zip(found).map(|(cause, request)| (*cause, request.position.offset)));
    }
    planned.sort_unstable_by_key(|(cause, _)| cause.position);
    let mut order: OrderCheck<(Symbol, u8)> = OrderCheck::new();
    for (cause, offset) in planned {
        if order.is_reordered((cause.symbol, cause.trigger), offset) {
            result.reordered(STAGE, || {
                format!(
                    "the range request at offset {offset} of {} precedes one of an earlier cause",
                    cause.position
                )
            });
        }
    }
}

/// Returns the fields that a cause and its request have in common.
fn key_of(cause: &BackfillCause) -> (u8, Symbol, Id, Option<i32>, Option<i64>, i64) {
    (cause.trigger, cause.symbol, cause.id, cause.layer, cause.start, cause.end)
}
