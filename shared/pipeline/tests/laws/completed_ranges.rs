//! What is completed beyond the prefix: what a position says of it, and what becomes of it at the next owner.

use pipeline::{
    Action, BatchId, COMPLETED_RANGES_MAX_BYTES, CompletedRanges, Delivery, Event, Position, RecordId, Start,
};

use crate::rig::{A, B, Rig, Said, What, acknowledged, at, commit, id, rig, rig_with, start, transact};

fn completed(ranges: &[(i64, i64)]) -> CompletedRanges {
    let mut completed = CompletedRanges::none();
    for (from, to) in ranges {
        completed.push(*from..*to);
    }
    completed
}

/// A position that says what is completed beyond it.
fn beyond(offset: i64, ranges: &[(i64, i64)]) -> Position {
    Position { input: A, offset, completed: completed(ranges) }
}

fn emits(ids: &[RecordId]) -> Event<'static, crate::rig::Told> {
    Event::Completed(Said::Emit { ids: ids.to_vec(), outputs: 1, urgent: true })
}

/// Owns A from `position`, of which an earlier owner had completed these ranges.
fn after(position: i64, ranges: &[(i64, i64)]) -> Rig {
    let mut rig = rig();
    let start = Start { input: A, position, completed: completed(ranges) };
    assert_eq!(rig.happens(Event::Assigned(&[start])), []);
    rig
}

#[test]
fn a_batch_says_what_it_ends_beyond_the_prefix() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold), (3, What::Hold)]);
    assert_eq!(rig.happens(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    rig.happens(Event::Committed(BatchId(0)));
    assert_eq!(rig.happens(emits(&[id(A, 1, 3)])), [transact(1, &[beyond(0, &[(1, 2), (3, 4)])])]);
    rig.happens(Event::Committed(BatchId(1)));
    assert_eq!(rig.happens(emits(&[id(A, 1, 0)])), [transact(2, &[beyond(2, &[(3, 4)])])]);
    rig.happens(Event::Committed(BatchId(2)));
    assert_eq!(rig.happens(emits(&[id(A, 1, 2)])), [transact(3, &[at(A, 4)])]);
}

#[test]
fn what_lies_between_two_unfinished_records_is_one_range() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (3, What::Hold), (4, What::Drop), (7, What::Hold), (9, What::Hold)]);
    assert_eq!(rig.happens(emits(&[id(A, 1, 3), id(A, 1, 7)])), [transact(0, &[beyond(0, &[(1, 9)])])]);
}

#[test]
fn a_batch_says_nothing_of_what_waits_for_the_next() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 1);
    rig.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold)]);
    assert_eq!(rig.happens(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    rig.happens(emits(&[id(A, 1, 2)]));
    assert_eq!(rig.happens(Event::Aborted(BatchId(0))), [transact(1, &[beyond(0, &[(1, 2)])])]);
    assert_eq!(rig.happens(Event::Committed(BatchId(1))), [transact(2, &[beyond(0, &[(1, 3)])])]);
}

#[test]
fn dropped_records_behind_a_held_one_are_said_but_ask_for_nothing() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Hold), (3, What::Hold)]);
    rig.now_ms += 500;
    assert_eq!(rig.happens(Event::Completed(Said::Drop(id(A, 1, 3)))), []);
    rig.happens(Event::Completed(Said::Append { id: id(A, 1, 0), outputs: 1 }));
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[beyond(0, &[(1, 2), (3, 4)])])]);
}

#[test]
fn a_stage_in_order_says_nothing_of_what_it_drops_behind_what_leaves_next() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 1);
    let asked =
        rig.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Drop), (3, What::Emit(1))]);
    assert_eq!(asked, [transact(0, &[at(A, 1)])]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [transact(1, &[at(A, 3)])]);
}

#[test]
fn dropped_records_are_left_out_when_there_is_no_room_for_them() {
    let mut rig = rig_with(|options| options.completed_ranges_max_bytes = 4);
    rig.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Hold), (3, What::Hold)]);
    let asked = rig.happens(emits(&[id(A, 1, 3)]));
    assert_eq!(asked, [transact(0, &[beyond(0, &[(3, 4)])]), Action::Pause(A)]);
}

#[test]
fn at_least_once_what_ends_beyond_the_prefix_is_committed_by_itself() {
    let mut rig = rig_with(|options| options.mode = Delivery::AtLeastOnce);
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(emits(&[id(A, 1, 1)]));
    assert_eq!(rig.happens(Event::Delivered(BatchId(0))), [commit(&[beyond(0, &[(1, 2)])])]);
    rig.happens(Event::OffsetCommitFailed);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::Tick), [commit(&[beyond(0, &[(1, 2)])])]);
    rig.happens(Event::OffsetsCommitted);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::Tick), [], "said once");
}

#[test]
fn at_least_once_a_drain_waits_for_that_commit() {
    let mut rig = rig_with(|options| options.mode = Delivery::AtLeastOnce);
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::Revoked(&[A]));
    rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 0)])));
    rig.happens(emits(&[id(A, 1, 1)]));
    assert_eq!(rig.happens(Event::Delivered(BatchId(0))), [commit(&[beyond(0, &[(1, 2)])])]);
    assert_eq!(rig.happens(Event::OffsetsCommitted), [acknowledged(A, 0)]);
}

#[test]
fn what_an_earlier_owner_finished_is_passed_over() {
    let mut rig = after(5, &[(6, 8), (9, 10)]);
    let held: Vec<(i64, What)> = (5..11).map(|offset| (offset, What::Hold)).collect();
    rig.records(A, &held);
    let judged: Vec<i64> = rig.engine.stage().judged.iter().map(|id| id.offset).collect();
    assert_eq!(judged, [5, 8, 10]);
    let counts = rig.engine.counts();
    assert_eq!((counts.received, counts.skipped_completed, counts.ignored), (3, 3, 0));
}

#[test]
fn what_was_passed_over_is_said_behind_whatever_it_follows() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 1);
    rig.happens(Event::Assigned(&[Start { completed: completed(&[(2, 3)]), ..start(A, 0) }]));
    let asked =
        rig.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Hold), (3, What::Emit(1))]);
    assert_eq!(asked, [transact(0, &[beyond(1, &[(2, 3)])])]);
}

#[test]
fn passed_over_records_move_the_position() {
    let mut rig = after(5, &[(5, 7)]);
    assert_eq!(rig.records(A, &[(5, What::Hold), (6, What::Hold)]), [commit(&[at(A, 7)])]);
}

#[test]
fn what_an_earlier_owner_finished_is_said_again_until_the_prefix_has_passed_it() {
    let mut rig = after(5, &[(6, 8), (12, 14)]);
    let held: Vec<(i64, What)> = (5..11).map(|offset| (offset, What::Hold)).collect();
    rig.records(A, &held);
    let asked = rig.happens(emits(&[id(A, 2, 9)]));
    assert_eq!(asked, [transact(0, &[beyond(5, &[(6, 8), (9, 10), (12, 14)])])]);
    rig.happens(Event::Committed(BatchId(0)));
    assert_eq!(
        rig.happens(emits(&[id(A, 2, 5)])),
        [transact(1, &[beyond(8, &[(9, 10), (12, 14)])])],
        "and what lies before it is forgotten"
    );
}

#[test]
fn an_abandoned_source_says_only_what_is_resolved() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold)]);
    rig.happens(emits(&[id(A, 1, 1)]));
    rig.happens(Event::Completed(Said::Drop(id(A, 1, 0))));
    rig.happens(emits(&[id(A, 1, 2)]));
    rig.happens(Event::Revoked(&[A]));
    rig.now_ms += 5_000;
    rig.records(B, &[(0, What::Emit(1))]);
    let asked = rig.happens(Event::Committed(BatchId(0)));
    assert_eq!(asked, [transact(1, &[at(A, 2), at(B, 1)])], "what waited is discarded");
}

#[test]
fn records_that_could_be_scattered_pause_their_source_alone() {
    let mut rig = rig_with(|options| options.completed_ranges_max_bytes = 8);
    let held: Vec<(i64, What)> = (0..6).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(rig.records(A, &held), []);
    assert_eq!(rig.happens(emits(&[id(A, 1, 1)])), [transact(0, &[beyond(0, &[(1, 2)])])]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [], "three bytes and five held");
    let more: Vec<(i64, What)> = (6..8).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(rig.records(A, &more), [Action::Pause(A)]);
    rig.happens(emits(&[id(A, 1, 0)]));
    assert_eq!(rig.happens(Event::Committed(BatchId(1))), [], "six held, and nothing beyond the prefix");
    assert_eq!(rig.happens(Event::Completed(Said::Drop(id(A, 1, 2)))), []);
    let asked = rig.happens(emits(&[id(A, 1, 3)]));
    assert_eq!(asked, [transact(2, &[at(A, 4)]), Action::Resume(A)], "half of it");
    assert_eq!(rig.records(B, &held), []);
}

#[test]
fn a_start_with_much_behind_it_does_not_stop_for_good() {
    let mut rig = rig_with(|options| options.completed_ranges_max_bytes = 4);
    let ranges: Vec<(i64, i64)> = (1..9).map(|n| (2 * n, 2 * n + 1)).collect();
    rig.happens(Event::Assigned(&[Start { completed: completed(&ranges), ..start(A, 0) }]));
    rig.records(A, &[(0, What::Emit(1))]);
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[beyond(1, &ranges)]), Action::Pause(A)]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [Action::Resume(A)], "it is read away");
}

#[test]
fn a_position_that_can_not_say_everything_is_counted() {
    let mut rig = rig();
    let many = i64::try_from(COMPLETED_RANGES_MAX_BYTES).expect("small");
    let held: Vec<(i64, What)> = (0..2 * many).map(|offset| (offset, What::Hold)).collect();
    rig.records(A, &held);
    let odd: Vec<RecordId> = (0..many).map(|n| id(A, 1, 2 * n + 1)).collect();
    rig.happens(emits(&odd));
    assert_eq!(rig.engine.counts().finished_unsaid, 1);
}
