//! Completed ranges: their commit, and their use by the next owner.

use pipeline::{
    Action, BatchId, COMPLETED_RANGES_MAX_BYTES, CompletedRanges, Delivery, Event, Position, RecordId, Start,
};

use crate::harness::{
    A, B, Harness, What, Work, acknowledged, at, commit, harness, harness_with, id, start, transact,
};

fn completed(ranges: &[(i64, i64)]) -> CompletedRanges {
    let mut completed = CompletedRanges::none();
    for (from, to) in ranges {
        completed.push(*from..*to);
    }
    completed
}

/// A position of A with these completed ranges.
fn beyond(offset: i64, ranges: &[(i64, i64)]) -> Position {
    Position { input: A, offset, completed: completed(ranges) }
}

fn emits(ids: &[RecordId]) -> Event<'static, crate::harness::ScriptedStage> {
    Event::Completed(Work::Emit { ids: ids.to_vec(), outputs: 1, urgent: true })
}

/// An engine that owns A from `position`, with these ranges completed by an earlier owner.
fn after(position: i64, ranges: &[(i64, i64)]) -> Harness {
    let mut harness = harness();
    let start = Start { input: A, position, completed: completed(ranges) };
    assert_eq!(harness.apply(Event::Assigned(&[start])), []);
    harness
}

#[test]
fn batch_commits_its_records_beyond_the_prefix() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold), (3, What::Hold)]);
    assert_eq!(harness.apply(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    harness.apply(Event::Committed(BatchId(0)));
    assert_eq!(harness.apply(emits(&[id(A, 1, 3)])), [transact(1, &[beyond(0, &[(1, 2), (3, 4)])])]);
    harness.apply(Event::Committed(BatchId(1)));
    assert_eq!(harness.apply(emits(&[id(A, 1, 0)])), [transact(2, &[beyond(2, &[(3, 4)])])]);
    harness.apply(Event::Committed(BatchId(2)));
    assert_eq!(harness.apply(emits(&[id(A, 1, 2)])), [transact(3, &[at(A, 4)])]);
}

#[test]
fn resolved_records_between_two_held_ones_are_one_range() {
    let mut harness = harness();
    harness
        .records(A, &[(0, What::Hold), (3, What::Hold), (4, What::Drop), (7, What::Hold), (9, What::Hold)]);
    assert_eq!(harness.apply(emits(&[id(A, 1, 3), id(A, 1, 7)])), [transact(0, &[beyond(0, &[(1, 9)])])]);
}

#[test]
fn batch_omits_records_of_the_next_batch() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 1);
    harness.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold)]);
    assert_eq!(harness.apply(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    harness.apply(emits(&[id(A, 1, 2)]));
    assert_eq!(harness.apply(Event::Aborted(BatchId(0))), [transact(1, &[beyond(0, &[(1, 2)])])]);
    assert_eq!(harness.apply(Event::Committed(BatchId(1))), [transact(2, &[beyond(0, &[(1, 3)])])]);
}

#[test]
fn dropped_records_after_a_held_one_request_no_commit() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Hold), (3, What::Hold)]);
    harness.now_ms += 500;
    assert_eq!(harness.apply(Event::Completed(Work::Drop(id(A, 1, 3)))), []);
    harness.apply(Event::Completed(Work::Append { id: id(A, 1, 0), outputs: 1 }));
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[beyond(0, &[(1, 2), (3, 4)])])]);
}

#[test]
fn ordered_stage_stores_no_ranges() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 1);
    let requested =
        harness.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Drop), (3, What::Emit(1))]);
    assert_eq!(requested, [transact(0, &[at(A, 1)])]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [transact(1, &[at(A, 3)])]);
}

#[test]
fn dropped_ranges_are_omitted_without_room() {
    let mut harness = harness_with(|options| options.completed_ranges_max_bytes = 4);
    harness.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Hold), (3, What::Hold)]);
    let requested = harness.apply(emits(&[id(A, 1, 3)]));
    assert_eq!(requested, [transact(0, &[beyond(0, &[(3, 4)])]), Action::Pause(A)]);
}

#[test]
fn at_least_once_commits_ranges_beyond_the_prefix() {
    let mut harness = harness_with(|options| options.mode = Delivery::AtLeastOnce);
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(emits(&[id(A, 1, 1)]));
    assert_eq!(harness.apply(Event::Delivered(BatchId(0))), [commit(&[beyond(0, &[(1, 2)])])]);
    harness.apply(Event::OffsetCommitFailed);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::Tick), [commit(&[beyond(0, &[(1, 2)])])]);
    harness.apply(Event::OffsetsCommitted);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::Tick), [], "work once");
}

#[test]
fn at_least_once_drain_waits_for_the_range_commit() {
    let mut harness = harness_with(|options| options.mode = Delivery::AtLeastOnce);
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::Revoked(&[A]));
    harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 0)])));
    harness.apply(emits(&[id(A, 1, 1)]));
    assert_eq!(harness.apply(Event::Delivered(BatchId(0))), [commit(&[beyond(0, &[(1, 2)])])]);
    assert_eq!(harness.apply(Event::OffsetsCommitted), [acknowledged(A, 0)]);
}

#[test]
fn records_completed_by_an_earlier_owner_are_skipped() {
    let mut harness = after(5, &[(6, 8), (9, 10)]);
    let held: Vec<(i64, What)> = (5..11).map(|offset| (offset, What::Hold)).collect();
    harness.records(A, &held);
    let processed: Vec<i64> = harness.engine.stage().processed.iter().map(|id| id.offset).collect();
    assert_eq!(processed, [5, 8, 10]);
    let counts = harness.engine.counts();
    assert_eq!((counts.received, counts.skipped_completed, counts.ignored), (3, 3, 0));
}

#[test]
fn skipped_records_are_committed_after_any_entry() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 1);
    harness.apply(Event::Assigned(&[Start { completed: completed(&[(2, 3)]), ..start(A, 0) }]));
    let requested =
        harness.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Hold), (3, What::Emit(1))]);
    assert_eq!(requested, [transact(0, &[beyond(1, &[(2, 3)])])]);
}

#[test]
fn skipped_records_move_the_position() {
    let mut harness = after(5, &[(5, 7)]);
    assert_eq!(harness.records(A, &[(5, What::Hold), (6, What::Hold)]), [commit(&[at(A, 7)])]);
}

#[test]
fn inherited_ranges_are_committed_until_passed() {
    let mut harness = after(5, &[(6, 8), (12, 14)]);
    let held: Vec<(i64, What)> = (5..11).map(|offset| (offset, What::Hold)).collect();
    harness.records(A, &held);
    let requested = harness.apply(emits(&[id(A, 2, 9)]));
    assert_eq!(requested, [transact(0, &[beyond(5, &[(6, 8), (9, 10), (12, 14)])])]);
    harness.apply(Event::Committed(BatchId(0)));
    assert_eq!(
        harness.apply(emits(&[id(A, 2, 5)])),
        [transact(1, &[beyond(8, &[(9, 10), (12, 14)])])],
        "and what lies before it is omitted"
    );
}

#[test]
fn abandoned_partition_commits_only_resolved_records() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold)]);
    harness.apply(emits(&[id(A, 1, 1)]));
    harness.apply(Event::Completed(Work::Drop(id(A, 1, 0))));
    harness.apply(emits(&[id(A, 1, 2)]));
    harness.apply(Event::Revoked(&[A]));
    harness.now_ms += 5_000;
    harness.records(B, &[(0, What::Emit(1))]);
    let requested = harness.apply(Event::Committed(BatchId(0)));
    assert_eq!(requested, [transact(1, &[at(A, 2), at(B, 1)])], "what waited is discarded");
}

#[test]
fn possible_ranges_pause_only_their_partition() {
    let mut harness = harness_with(|options| options.completed_ranges_max_bytes = 8);
    let held: Vec<(i64, What)> = (0..6).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(harness.records(A, &held), []);
    assert_eq!(harness.apply(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [], "three bytes and five held");
    let more: Vec<(i64, What)> = (6..8).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(harness.records(A, &more), [Action::Pause(A)]);
    harness.apply(emits(&[id(A, 1, 0)]));
    assert_eq!(harness.apply(Event::Committed(BatchId(1))), [], "six held, and no completed range");
    assert_eq!(harness.apply(Event::Completed(Work::Drop(id(A, 1, 2)))), []);
    let requested = harness.apply(emits(&[id(A, 1, 3)]));
    assert_eq!(requested, [transact(2, &[at(A, 4)]), Action::Resume(A)], "half of it");
    assert_eq!(harness.records(B, &held), []);
}

#[test]
fn start_with_many_completed_ranges_makes_progress() {
    let mut harness = harness_with(|options| options.completed_ranges_max_bytes = 4);
    let ranges: Vec<(i64, i64)> = (1..9).map(|n| (2 * n, 2 * n + 1)).collect();
    harness.apply(Event::Assigned(&[Start { completed: completed(&ranges), ..start(A, 0) }]));
    harness.records(A, &[(0, What::Emit(1))]);
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[beyond(1, &ranges)]), Action::Pause(A)]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [Action::Resume(A)], "it is read away");
}

#[test]
fn commit_metadata_overflow_is_counted() {
    let mut harness = harness();
    let many = i64::try_from(COMPLETED_RANGES_MAX_BYTES).expect("small");
    let held: Vec<(i64, What)> = (0..2 * many).map(|offset| (offset, What::Hold)).collect();
    harness.records(A, &held);
    let odd: Vec<RecordId> = (0..many).map(|n| id(A, 1, 2 * n + 1)).collect();
    harness.apply(emits(&odd));
    assert_eq!(harness.engine.counts().commit_metadata_overflows, 1);
}
