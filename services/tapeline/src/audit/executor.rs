//! The executor: each range request is completed or failed, and each attempt at a backfill ends once.
//!
//! A request that arrives while an attempt of the same backfill runs is resolved by the end of that attempt; one that arrives afterwards
//! is the next attempt. So a request requires an end of its attempt or of a later one, appended after it. The executor keeps ends for an
//! hour: an attempt that is requested again after that may end again.
//!
//! Chunks are counted by their progress events, which are written in the transaction of the chunk's bars. The bars themselves are
//! compacted and cannot be counted. A chunk has one progress event, and those of one run are in order. A run that continues after a crash
//! begins at its first chunk again, and may have as many: its fetch may include requests that arrived meanwhile. Its events were created
//! later, which their ids show.

use std::collections::HashSet;

use super::order_check::OrderCheck;
use super::records::{AuditRecords, BackfillEnd, ChunkProgress, RequestedRange};
use super::result::AuditResult;
use super::stage::Stage;

const STAGE: Stage = Stage::Executor;

/// Time for which the executor keeps the end of an attempt, milliseconds: 60 min and the slack of windows.
const END_RETENTION_MS: i64 = 65 * 60_000;

/// Clock skew between two brokers, milliseconds.
const SKEW_MS: i64 = 5_000;

pub(super) fn count(records: &AuditRecords, result: &mut AuditResult) {
    result.tally(STAGE).inputs += records.ranges.len() as u64;
    let is_alive = |range: &&RequestedRange| !records.dead_letters.contains_key(&range.position);
    let requests: Vec<RequestedRange> = records.ranges.iter().filter(is_alive).copied().collect();
    let is_truncated = STAGE.inputs().iter().any(|topic| records.truncated.contains(topic));
    let (mut requests, mut ends) = (requests.as_slice(), records.backfill_ends.as_slice());
    loop {
        let backfill = match (requests.first(), ends.first()) {
            (Some(request), Some(end)) => request.backfill.min(end.backfill),
            (Some(request), None) => request.backfill,
            (None, Some(end)) => end.backfill,
            (None, None) => break,
        };
        let (expected, rest) =
            requests.split_at(requests.partition_point(|request| request.backfill <= backfill));
        requests = rest;
        let (found, rest) = ends.split_at(ends.partition_point(|end| end.backfill <= backfill));
        ends = rest;
        if expected.is_empty() && is_truncated {
            continue;
        }
        count_lost(expected, found, result);
        count_doubled(expected, found, result);
        count_reordered(found, result);
    }
    count_progress(&records.progress, result);
}

fn count_lost(requests: &[RequestedRange], found: &[BackfillEnd], result: &mut AuditResult) {
    let resolves = |request: &RequestedRange, end: &BackfillEnd| {
        end.attempt >= request.attempt && end.appended_at_ms + SKEW_MS >= request.appended_at_ms
    };
    let mut resolved = 0;
    for request in requests {
        if found.iter().any(|end| resolves(request, end)) {
            resolved += 1;
            continue;
        }
        result.tally(STAGE).expected += 1;
        result.lost(STAGE, || {
            format!(
                "attempt {} of backfill {} ({}) has no completion or failure",
                request.attempt, request.backfill, request.position
            )
        });
    }
    // Requests that arrived while an attempt ran have no end of their own.
    let own = resolved.min(found.len() as u64);
    result.tally(STAGE).expected += own;
    result.tally(STAGE).found += own;
    result.tally(STAGE).covered += resolved - own;
    // A later attempt that no request names by its number implies that the attempt before it had ended.
    for end in found.iter().filter(|end| end.attempt > 1) {
        let is_requested = requests.iter().any(|request| request.attempt >= end.attempt);
        let has_previous = found.iter().any(|earlier| earlier.attempt == end.attempt - 1);
        if !is_requested && !has_previous {
            result.tally(STAGE).expected += 1;
            result.lost(STAGE, || {
                format!("the end before attempt {} of backfill {}", end.attempt, end.backfill)
            });
        }
    }
}

fn count_doubled(requests: &[RequestedRange], found: &[BackfillEnd], result: &mut AuditResult) {
    let is_repeated = |pair: &&[BackfillEnd]| {
        pair[0].attempt == pair[1].attempt
            && pair[1].appended_at_ms - pair[0].appended_at_ms < END_RETENTION_MS
    };
    let repeated = found.windows(2).filter(is_repeated).count();
    let surplus = found.len().saturating_sub(requests.len());
    let doubled = repeated.max(surplus) as u64;
    if doubled > 0 {
        let (ended, requested) = (found.len(), requests.len());
        result.doubled(STAGE, doubled, || {
            let backfill = found.first().map(|end| end.backfill.to_string()).unwrap_or_default();
            format!("backfill {backfill} ended {ended} times, requested {requested} times")
        });
    }
}

/// Attempts end in order. Completions and failures are in topics of their own, and are checked separately.
fn count_reordered(found: &[BackfillEnd], result: &mut AuditResult) {
    let mut order = OrderCheck::new();
    for end in found {
        if order.is_reordered(end.position.topic, end.position.offset) {
            result.reordered(STAGE, || {
                format!(
                    "{}, the end of attempt {}, precedes that of an earlier attempt",
                    end.position, end.attempt
                )
            });
        }
    }
}

fn count_progress(progress: &[ChunkProgress], result: &mut AuditResult) {
    let run = |event: &ChunkProgress| (event.backfill, event.attempt, event.series, event.total);
    let mut chunks = HashSet::with_capacity(progress.len());
    let mut previous: Option<&ChunkProgress> = None;
    for event in progress {
        if !chunks.insert((event.backfill, event.attempt, event.series, event.chunk_start)) {
            result
                .doubled(STAGE, 1, || format!("{} is the progress of a chunk that has one", event.position));
        } else if let Some(last) = previous.filter(|last| run(last) == run(event))
            && event.done < last.done
            && event.id < last.id
        {
            result.reordered(STAGE, || {
                format!("{} is the progress of chunk {} after {}", event.position, event.done, last.done)
            });
        }
        previous = Some(event);
    }
}
