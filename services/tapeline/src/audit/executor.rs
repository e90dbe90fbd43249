//! The executor: each request for a range ends, and each attempt at a backfill ends once.
//!
//! A request that comes while an attempt of the same backfill runs is answered by the end of that one; one that comes afterwards is the
//! next attempt. So a request owes an end of its attempt or a later one, appended after it. Ends are remembered for an hour: the same
//! attempt may end again after that, when it is asked for again.
//!
//! Chunks are counted by their progress, which leaves in the transaction of the chunk's bars: the bars themselves are compacted, so that
//! counting them would say nothing. A chunk's progress comes once, and those of one run in order; a run that goes on after a crash has
//! fewer chunks in all.

use super::order::Order;
use super::seen::{Progress, RangeAsked, Seen, Terminal};
use super::tally::{Count, Stage};

const STAGE: Stage = Stage::Executor;

/// How long an ended attempt is remembered, milliseconds: 60 min and what windows live on for.
const REMEMBERED_MS: i64 = 65 * 60_000;

/// How far the clocks of two brokers may be apart, milliseconds.
const SKEW_MS: i64 = 5_000;

pub(super) fn count(seen: &Seen, count: &mut Count) {
    count.of(STAGE).inputs += seen.ranges.len() as u64;
    let asked: Vec<RangeAsked> =
        seen.ranges.iter().filter(|range| !seen.letters.contains_key(&range.place)).copied().collect();
    let is_truncated = STAGE.inputs().iter().any(|topic| seen.truncated.contains(topic));
    let (mut asked, mut ends) = (asked.as_slice(), seen.terminals.as_slice());
    loop {
        let backfill = match (asked.first(), ends.first()) {
            (Some(one), Some(end)) => one.backfill.min(end.backfill),
            (Some(one), None) => one.backfill,
            (None, Some(end)) => end.backfill,
            (None, None) => break,
        };
        let (requests, rest) = asked.split_at(asked.partition_point(|one| one.backfill <= backfill));
        asked = rest;
        let (found, rest) = ends.split_at(ends.partition_point(|end| end.backfill <= backfill));
        ends = rest;
        if requests.is_empty() && is_truncated {
            continue;
        }
        count_lost(requests, found, count);
        count_doubled(requests, found, count);
        count_order(found, count);
    }
    count_progress(&seen.progress, count);
}

fn count_lost(requests: &[RangeAsked], found: &[Terminal], count: &mut Count) {
    let answers = |request: &RangeAsked, end: &&Terminal| {
        end.attempt >= request.attempt && end.appended_at_ms + SKEW_MS >= request.appended_at_ms
    };
    let mut owing = 0;
    for request in requests {
        if found.iter().any(|end| answers(request, &end)) {
            owing += 1;
            continue;
        }
        count.of(STAGE).expected += 1;
        count.lost(STAGE, || {
            format!(
                "attempt {} of backfill {} ({}) has no end",
                request.attempt, request.backfill, request.place
            )
        });
    }
    // Requests that came while the same ran have no end of their own.
    let own = owing.min(found.len() as u64);
    count.of(STAGE).expected += own;
    count.of(STAGE).found += own;
    count.of(STAGE).covered += owing - own;
    // A later attempt that nobody asked for by its number tells that the one before it had ended.
    for end in found.iter().filter(|end| end.attempt > 1) {
        let is_asked = requests.iter().any(|request| request.attempt >= end.attempt);
        let follows = found.iter().any(|earlier| earlier.attempt == end.attempt - 1);
        if !is_asked && !follows {
            count.of(STAGE).expected += 1;
            count.lost(STAGE, || {
                format!("the end before attempt {} of backfill {}", end.attempt, end.backfill)
            });
        }
    }
}

fn count_doubled(requests: &[RangeAsked], found: &[Terminal], count: &mut Count) {
    let is_again = |pair: &&[Terminal]| {
        pair[0].attempt == pair[1].attempt && pair[1].appended_at_ms - pair[0].appended_at_ms < REMEMBERED_MS
    };
    let again = found.windows(2).filter(is_again).count();
    let beyond = found.len().saturating_sub(requests.len());
    let doubled = again.max(beyond) as u64;
    if doubled > 0 {
        let (has, asked) = (found.len(), requests.len());
        count.doubled(STAGE, doubled, || {
            let backfill = found.first().map(|end| end.backfill.to_string()).unwrap_or_default();
            format!("backfill {backfill} ended {has} times, it was asked for {asked} times")
        });
    }
}

/// Attempts end in their order; completions and failures lie in topics of their own.
fn count_order(found: &[Terminal], count: &mut Count) {
    let mut order = Order::new();
    for end in found {
        if order.is_late(end.place.topic, end.place.offset) {
            count.reordered(STAGE, || format!("{} ends attempt {} too early", end.place, end.attempt));
        }
    }
}

fn count_progress(progress: &[Progress], count: &mut Count) {
    let run = |one: &Progress| (one.backfill, one.attempt, one.series, one.total);
    let mut chunks = std::collections::HashSet::with_capacity(progress.len());
    let mut done: Option<&Progress> = None;
    for one in progress {
        if !chunks.insert((one.backfill, one.attempt, one.series, one.chunk_start)) {
            count.doubled(STAGE, 1, || format!("{} tells of a chunk that was written before", one.place));
        } else if let Some(last) = done.filter(|last| run(last) == run(one))
            && one.done < last.done
        {
            count.reordered(STAGE, || {
                format!("{} tells of chunk {} after {}", one.place, one.done, last.done)
            });
        }
        done = Some(one);
    }
}
