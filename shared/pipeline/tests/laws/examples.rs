//! What the engine asks for, and when: one example a rule.

use std::time::Duration;

use pipeline::{Action, BatchId, Delivery, Event, Stop};

use crate::rig::{A, B, Said, What, acknowledged, at, commit, id, rig, rig_with, start, transact};

#[test]
fn a_batch_closes_when_nothing_more_waits() {
    let mut rig = rig();
    assert_eq!(rig.records(A, &[(0, What::Emit(1))]), []);
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[at(A, 1)])]);
}

#[test]
fn a_batch_closes_at_its_age_while_more_waits() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(100)));
    rig.now_ms += 99;
    assert_eq!(rig.records(A, &[(1, What::Emit(1))]), []);
    rig.now_ms += 1;
    assert_eq!(rig.records(A, &[(2, What::Emit(1))]), [transact(0, &[at(A, 3)])]);
}

#[test]
fn a_batch_closes_at_its_size_and_splits_no_emission() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 4);
    rig.records(A, &[(0, What::Emit(3))]);
    assert_eq!(rig.records(A, &[(1, What::Emit(3))]), [transact(0, &[at(A, 1)])]);
    assert_eq!(rig.outputs(BatchId(0)).len(), 3);
}

#[test]
fn an_emission_larger_than_a_batch_leaves_alone() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 2);
    assert_eq!(rig.records(A, &[(0, What::Emit(5)), (1, What::Emit(1))]), [transact(0, &[at(A, 1)])]);
    assert_eq!(rig.outputs(BatchId(0)).len(), 5);
}

#[test]
fn something_urgent_closes_the_batch() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Emit(1))]);
    let said = Said::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: true };
    assert_eq!(rig.happens(Event::Completed(said)), [transact(0, &[at(A, 2)])]);
}

#[test]
fn drops_alone_are_committed_without_a_transaction_and_not_too_often() {
    let mut rig = rig();
    assert_eq!(rig.records(A, &[(0, What::Drop)]), [commit(&[at(A, 1)])]);
    assert_eq!(rig.happens(Event::OffsetsCommitted), []);
    rig.now_ms += 99;
    assert_eq!(rig.records(A, &[(1, What::Drop)]), []);
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(1)));
    rig.now_ms += 1;
    assert_eq!(rig.happens(Event::Tick), [commit(&[at(A, 2)])]);
}

#[test]
fn a_transaction_takes_along_what_drops_have_moved() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Drop)]);
    rig.happens(Event::OffsetsCommitted);
    rig.records(A, &[(1, What::Drop)]);
    rig.records(B, &[(0, What::Emit(1))]);
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[at(A, 2), at(B, 1)])]);
}

#[test]
fn nothing_is_asked_while_something_is_unanswered() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    rig.happens(Event::Tick);
    rig.now_ms += 500;
    rig.records(A, &[(1, What::Emit(1))]);
    rig.records(B, &[(0, What::Drop)]);
    assert_eq!(rig.happens(Event::Tick), []);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [transact(1, &[at(A, 2), at(B, 1)])]);
}

#[test]
fn the_end_of_a_partition_moves_its_position_over_holes() {
    let mut rig = rig();
    rig.records(A, &[(3, What::Drop)]);
    rig.happens(Event::OffsetsCommitted);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::EndReached(A, 9)), [commit(&[at(A, 9)])]);
    rig.happens(Event::OffsetsCommitted);
    rig.records(A, &[(9, What::Hold)]);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::EndReached(A, 12)), [], "a held record keeps the position back");
    assert_eq!(rig.happens(Event::Completed(Said::Drop(id(A, 1, 9)))), [commit(&[at(A, 12)])]);
}

#[test]
fn an_end_that_lies_back_moves_nothing() {
    let mut rig = rig();
    rig.records(A, &[(3, What::Drop)]);
    rig.happens(Event::EndReached(A, 2));
    assert_eq!(rig.engine.positions(A), Some((4, 0)));
}

#[test]
fn a_chunk_commits_the_unmoved_prefix_so_that_it_is_fenced() {
    let mut rig = rig();
    rig.records(A, &[(5, What::Hold)]);
    rig.happens(Event::Completed(Said::Append { id: id(A, 1, 5), outputs: 2 }));
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[at(A, 0)])]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), []);
    assert_eq!(rig.engine.counts().held, 1);
}

#[test]
fn after_an_abort_the_same_outputs_leave_first_and_no_rule_runs() {
    let mut rig = rig_with(|options| options.batch_outputs_max = 2);
    rig.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Emit(1))]);
    let (before, judged) = (rig.outputs(BatchId(0)), rig.engine.stage().judged.len());
    assert_eq!(before.len(), 2);
    assert_eq!(rig.happens(Event::Aborted(BatchId(0))), [transact(1, &[at(A, 2)])]);
    assert_eq!(rig.outputs(BatchId(1)), before);
    assert_eq!(rig.engine.stage().judged.len(), judged);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [], "an answer to an older batch means nothing");
}

#[test]
fn repeated_aborts_wait_longer_each_time() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    rig.happens(Event::Tick);
    assert_eq!(rig.happens(Event::Aborted(BatchId(0))).len(), 1);
    assert_eq!(rig.happens(Event::Aborted(BatchId(1))), []);
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(20)));
    rig.now_ms += 20;
    assert_eq!(rig.happens(Event::Tick).len(), 1);
    assert_eq!(rig.happens(Event::Aborted(BatchId(2))), []);
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(40)));
}

#[test]
fn at_least_once_offsets_follow_the_acknowledgement() {
    let mut rig = rig_with(|options| options.mode = Delivery::AtLeastOnce);
    rig.records(A, &[(0, What::Emit(1))]);
    assert_eq!(rig.happens(Event::Tick), [Action::Produce { batch: BatchId(0) }]);
    assert_eq!(rig.happens(Event::DeliveryFailed(BatchId(0))), [Action::Produce { batch: BatchId(1) }]);
    assert_eq!(rig.happens(Event::Delivered(BatchId(1))), [commit(&[at(A, 1)])]);
}

#[test]
fn at_least_once_a_steady_stream_does_not_starve_commits() {
    let mut rig = rig_with(|options| options.mode = Delivery::AtLeastOnce);
    rig.records(A, &[(0, What::Emit(1))]);
    rig.happens(Event::Tick);
    rig.records(A, &[(1, What::Emit(1))]);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::Delivered(BatchId(0))), [commit(&[at(A, 1)])]);
    assert_eq!(rig.happens(Event::OffsetsCommitted), [Action::Produce { batch: BatchId(1) }]);
}

#[test]
fn too_many_rejects_in_a_row_pause_the_source_until_it_is_assigned_again() {
    let mut rig = rig_with(|options| options.rejects_in_a_row_max = 2);
    rig.records(A, &[(0, What::Reject), (1, What::Drop), (2, What::Reject)]);
    assert_eq!(rig.engine.stopped_partitions().count(), 0, "a record that is not rejected ends the run");
    let asked = rig.records(A, &[(3, What::Reject), (4, What::Drop)]);
    assert_eq!(asked, [Action::Pause(A)]);
    assert_eq!(rig.engine.stopped_partitions().collect::<Vec<_>>(), [A]);
    assert_eq!(rig.happens(Event::EndReached(A, 9)), []);
    assert_eq!(rig.happens(Event::Tick), [transact(0, &[at(A, 4)])], "what came after it is not passed");
    rig.happens(Event::Committed(BatchId(0)));
    rig.happens(Event::Assigned(&[start(A, 4)]));
    assert_eq!(rig.engine.stopped_partitions().count(), 0);
}

#[test]
fn rejects_of_held_records_count_as_well() {
    let mut rig = rig_with(|options| options.rejects_in_a_row_max = 2);
    rig.records(A, &[(0, What::Hold), (1, What::Reject)]);
    assert_eq!(rig.happens(Event::Completed(Said::Reject(id(A, 1, 0)))), [Action::Pause(A)]);
    assert_eq!(rig.engine.stopped_partitions().collect::<Vec<_>>(), [A]);
}

#[test]
fn a_full_topic_pauses_its_own_partitions_alone() {
    let mut rig = rig();
    rig.engine.stage_mut().full_topic = Some(1);
    assert_eq!(rig.happens(Event::Tick), [Action::Pause(B)]);
    assert_eq!(rig.happens(Event::Tick), [], "said once");
    rig.engine.stage_mut().full_topic = None;
    assert_eq!(rig.happens(Event::Tick), [Action::Resume(B)]);
}

#[test]
fn held_records_pause_every_source_and_let_it_flow_at_half() {
    let mut rig = rig_with(|options| options.held_records_max = 4);
    let held: Vec<(i64, What)> = (0..5).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(rig.records(A, &held), [Action::Pause(A), Action::Pause(B)]);
    for offset in 0..2 {
        let asked = rig.happens(Event::Completed(Said::Drop(id(A, 1, offset))));
        assert!(!asked.contains(&Action::Resume(A)));
    }
    let asked = rig.happens(Event::Completed(Said::Drop(id(A, 1, 2))));
    assert_eq!(asked, [Action::Resume(A), Action::Resume(B)]);
}

#[test]
fn finished_records_behind_a_stuck_one_pause_their_source() {
    let mut rig = rig_with(|options| options.ledger_records_max = 3);
    rig.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold), (3, What::Hold)]);
    for offset in 1..4 {
        rig.happens(Event::Completed(Said::Drop(id(A, 1, offset))));
    }
    assert_eq!(rig.engine.load().paused, 1);
    let asked = rig.happens(Event::Completed(Said::Drop(id(A, 1, 0))));
    assert!(asked.contains(&Action::Resume(A)), "{asked:?}");
}

#[test]
fn a_revocation_is_acknowledged_when_drained_and_committed() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold)]);
    assert_eq!(rig.happens(Event::Revoked(&[A])), [Action::Pause(A)]);
    assert_eq!(rig.engine.stage().drained, [vec![A]]);
    assert_eq!(rig.records(A, &[(1, What::Drop)]), [], "a draining input's records come again elsewhere");
    assert_eq!(rig.engine.counts().ignored, 1);
    let said = Said::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: false };
    assert_eq!(rig.happens(Event::Completed(said)), [transact(0, &[at(A, 1)])]);
    let asked = rig.happens(Event::Committed(BatchId(0)));
    assert_eq!(asked, [acknowledged(A, 0)]);
    assert_eq!(rig.engine.stage().released, [A]);
}

#[test]
fn a_revocation_waits_for_outputs_that_end_no_record() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold)]);
    rig.happens(Event::Completed(Said::Append { id: id(A, 1, 0), outputs: 1 }));
    rig.happens(Event::Completed(Said::Drop(id(A, 1, 0))));
    rig.happens(Event::OffsetsCommitted);
    assert_eq!(rig.happens(Event::Revoked(&[A])), [transact(0, &[at(A, 1)]), Action::Pause(A)]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [acknowledged(A, 0)]);
}

#[test]
fn a_spent_drain_budget_gives_back_what_is_held() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Drop), (1, What::Hold), (2, What::Emit(1))]);
    rig.happens(Event::OffsetsCommitted);
    rig.happens(Event::Revoked(&[A]));
    rig.happens(Event::Aborted(BatchId(0)));
    rig.now_ms += 5_000;
    assert_eq!(rig.happens(Event::Tick), [], "the batch in flight is awaited");
    let asked = rig.happens(Event::Aborted(BatchId(1)));
    assert_eq!(asked, [acknowledged(A, 2)], "and not tried again");
    assert_eq!(rig.engine.counts().returned, 2);
    assert!(rig.engine.counts().conserve());
    rig.happens(Event::Completed(Said::Drop(id(A, 1, 1))));
    assert_eq!(rig.engine.counts().stale_effects, 1);
}

#[test]
fn a_lost_partition_is_discarded_without_a_word() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Drop), (1, What::Emit(1))]);
    rig.happens(Event::OffsetsCommitted);
    assert_eq!(rig.happens(Event::Lost(&[A])), []);
    assert_eq!(rig.happens(Event::Tick), []);
    assert_eq!(rig.engine.stage().released, [A]);
    assert_eq!(rig.engine.counts().returned, 1);
}

#[test]
fn what_was_asked_but_not_taken_is_recalled_for_a_lost_partition() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    rig.records(B, &[(0, What::Emit(1))]);
    let now = rig.now();
    rig.engine.apply(Event::Tick, now);
    rig.engine.settle(now);
    assert_eq!(rig.happens(Event::Lost(&[A])), [transact(1, &[at(B, 1)])]);
    assert!(rig.outputs(BatchId(1)).iter().all(|output| output.input == B));
}

#[test]
fn a_rebuilt_client_drops_every_partition_and_awaits_no_answer() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    rig.happens(Event::Tick);
    assert_eq!(rig.happens(Event::ClientsRecreated), []);
    rig.happens(Event::Assigned(&[start(A, 0)]));
    rig.records(A, &[(0, What::Emit(1))]);
    assert_eq!(rig.happens(Event::Tick), [transact(1, &[at(A, 1)])]);
    assert_eq!(rig.engine.partition_counts(A).map(|counts| counts.received), Some(1));
}

#[test]
fn a_shutdown_drains_commits_and_stops() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Emit(1))]);
    let asked = rig.happens(Event::ShutdownRequested);
    assert_eq!(asked, [transact(0, &[at(A, 1)]), Action::Pause(A), Action::Pause(B)]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [Action::Stop(Stop::Drained)]);
    assert_eq!(rig.happens(Event::Tick), []);
}

#[test]
fn a_shutdown_beyond_its_budget_says_what_it_held() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::ShutdownRequested);
    rig.now_ms += 5_000;
    assert_eq!(rig.happens(Event::Tick), [Action::Stop(Stop::DrainTimedOut { held: 2 })]);
}

#[test]
fn commits_that_fail_beyond_the_drain_budget_are_given_up() {
    let mut rig = rig();
    rig.happens(Event::EndReached(A, 7));
    rig.happens(Event::OffsetCommitFailed);
    rig.happens(Event::ShutdownRequested);
    rig.now_ms += 5_000;
    rig.happens(Event::Tick);
    assert_eq!(
        rig.happens(Event::OffsetCommitFailed),
        [Action::Stop(Stop::DrainTimedOut { held: 0 })],
        "not drained: an offset was not committed"
    );
}

#[test]
fn a_rule_that_fails_stops_the_engine_and_resolves_nothing() {
    let mut rig = rig();
    let asked = rig.records(A, &[(0, What::Fail), (1, What::Drop)]);
    assert_eq!(asked, [Action::Stop(Stop::Failed("told to".to_owned()))]);
    assert_eq!(rig.engine.positions(A), Some((0, 0)));
}

#[test]
fn a_stage_that_settles_a_record_twice_is_stopped() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::Completed(Said::Drop(id(A, 1, 0))));
    let asked = rig.happens(Event::Completed(Said::Reject(id(A, 1, 0))));
    assert!(matches!(asked.as_slice(), [Action::Stop(Stop::Failed(_))]), "{asked:?}");
}

#[test]
fn a_record_delivered_twice_is_judged_once() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Drop)]);
    rig.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Drop)]);
    assert_eq!(rig.engine.stage().judged.len(), 3);
    assert_eq!(rig.engine.counts().ignored, 2);
}
