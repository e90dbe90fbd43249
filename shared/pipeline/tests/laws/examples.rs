//! One example for each rule of what the engine requests, and when.

use std::time::Duration;

use pipeline::{Action, BatchId, Delivery, Event, Stop};

use crate::harness::{
    A, B, What, Work, acknowledged, at, commit, harness, harness_with, id, start, transact,
};

#[test]
fn batch_closes_on_an_empty_fetch() {
    let mut harness = harness();
    assert_eq!(harness.records(A, &[(0, What::Emit(1))]), []);
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[at(A, 1)])]);
}

#[test]
fn batch_closes_at_its_age_under_load() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(100)));
    harness.now_ms += 99;
    assert_eq!(harness.records(A, &[(1, What::Emit(1))]), []);
    harness.now_ms += 1;
    assert_eq!(harness.records(A, &[(2, What::Emit(1))]), [transact(0, &[at(A, 3)])]);
}

#[test]
fn batch_closes_at_its_size_and_splits_no_emission() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 4);
    harness.records(A, &[(0, What::Emit(3))]);
    assert_eq!(harness.records(A, &[(1, What::Emit(3))]), [transact(0, &[at(A, 1)])]);
    assert_eq!(harness.outputs(BatchId(0)).len(), 3);
}

#[test]
fn emission_larger_than_a_batch_leaves_alone() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 2);
    assert_eq!(harness.records(A, &[(0, What::Emit(5)), (1, What::Emit(1))]), [transact(0, &[at(A, 1)])]);
    assert_eq!(harness.outputs(BatchId(0)).len(), 5);
}

#[test]
fn urgent_output_closes_the_batch() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Emit(1))]);
    let work = Work::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: true };
    assert_eq!(harness.apply(Event::Completed(work)), [transact(0, &[at(A, 2)])]);
}

#[test]
fn drops_are_committed_without_a_transaction_at_intervals() {
    let mut harness = harness();
    assert_eq!(harness.records(A, &[(0, What::Drop)]), [commit(&[at(A, 1)])]);
    assert_eq!(harness.apply(Event::OffsetsCommitted), []);
    harness.now_ms += 99;
    assert_eq!(harness.records(A, &[(1, What::Drop)]), []);
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(1)));
    harness.now_ms += 1;
    assert_eq!(harness.apply(Event::Tick), [commit(&[at(A, 2)])]);
}

#[test]
fn transaction_commits_positions_moved_by_drops() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Drop)]);
    harness.apply(Event::OffsetsCommitted);
    harness.records(A, &[(1, What::Drop)]);
    harness.records(B, &[(0, What::Emit(1))]);
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[at(A, 2), at(B, 1)])]);
}

#[test]
fn one_request_is_in_flight_at_a_time() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    harness.apply(Event::Tick);
    harness.now_ms += 500;
    harness.records(A, &[(1, What::Emit(1))]);
    harness.records(B, &[(0, What::Drop)]);
    assert_eq!(harness.apply(Event::Tick), []);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [transact(1, &[at(A, 2), at(B, 1)])]);
}

#[test]
fn end_of_partition_moves_the_position_over_holes() {
    let mut harness = harness();
    harness.records(A, &[(3, What::Drop)]);
    harness.apply(Event::OffsetsCommitted);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::EndReached(A, 9)), [commit(&[at(A, 9)])]);
    harness.apply(Event::OffsetsCommitted);
    harness.records(A, &[(9, What::Hold)]);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::EndReached(A, 12)), [], "a held record keeps the position back");
    assert_eq!(harness.apply(Event::Completed(Work::Drop(id(A, 1, 9)))), [commit(&[at(A, 12)])]);
}

#[test]
fn end_of_processed_records_is_passed_to_the_stage() {
    let mut harness = harness();
    harness.records(A, &[(3, What::Hold)]);
    harness.apply(Event::EndReached(A, 4));
    assert_eq!(harness.engine.stage().ends, [A]);
    // A deferred record has not been processed.
    harness.records(A, &[(4, What::Defer)]);
    harness.apply(Event::EndReached(A, 5));
    assert_eq!(harness.engine.stage().ends, [A]);
}

#[test]
fn end_before_the_position_moves_nothing() {
    let mut harness = harness();
    harness.records(A, &[(3, What::Drop)]);
    harness.apply(Event::EndReached(A, 2));
    assert_eq!(harness.engine.positions(A), Some((4, 0)));
}

#[test]
fn chunk_commits_the_unmoved_prefix_for_fencing() {
    let mut harness = harness();
    harness.records(A, &[(5, What::Hold)]);
    harness.apply(Event::Completed(Work::Append { id: id(A, 1, 5), outputs: 2 }));
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[at(A, 0)])]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), []);
    assert_eq!(harness.engine.counts().held, 1);
}

#[test]
fn abort_resends_the_same_outputs_without_rules() {
    let mut harness = harness_with(|options| options.batch_outputs_max = 2);
    harness.records(A, &[(0, What::Emit(1)), (1, What::Emit(1)), (2, What::Emit(1))]);
    let (before, processed) = (harness.outputs(BatchId(0)), harness.engine.stage().processed.len());
    assert_eq!(before.len(), 2);
    assert_eq!(harness.apply(Event::Aborted(BatchId(0))), [transact(1, &[at(A, 2)])]);
    assert_eq!(harness.outputs(BatchId(1)), before);
    assert_eq!(harness.engine.stage().processed.len(), processed);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [], "the outcome of an older batch is ignored");
}

#[test]
fn repeated_aborts_back_off() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    harness.apply(Event::Tick);
    assert_eq!(harness.apply(Event::Aborted(BatchId(0))).len(), 1);
    assert_eq!(harness.apply(Event::Aborted(BatchId(1))), []);
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(20)));
    harness.now_ms += 20;
    assert_eq!(harness.apply(Event::Tick).len(), 1);
    assert_eq!(harness.apply(Event::Aborted(BatchId(2))), []);
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(40)));
}

#[test]
fn at_least_once_offsets_follow_the_acknowledgement() {
    let mut harness = harness_with(|options| options.mode = Delivery::AtLeastOnce);
    harness.records(A, &[(0, What::Emit(1))]);
    assert_eq!(harness.apply(Event::Tick), [Action::Produce { batch: BatchId(0) }]);
    assert_eq!(harness.apply(Event::DeliveryFailed(BatchId(0))), [Action::Produce { batch: BatchId(1) }]);
    assert_eq!(harness.apply(Event::Delivered(BatchId(1))), [commit(&[at(A, 1)])]);
}

#[test]
fn at_least_once_steady_stream_does_not_starve_commits() {
    let mut harness = harness_with(|options| options.mode = Delivery::AtLeastOnce);
    harness.records(A, &[(0, What::Emit(1))]);
    harness.apply(Event::Tick);
    harness.records(A, &[(1, What::Emit(1))]);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::Delivered(BatchId(0))), [commit(&[at(A, 1)])]);
    assert_eq!(harness.apply(Event::OffsetsCommitted), [Action::Produce { batch: BatchId(1) }]);
}

#[test]
fn consecutive_dead_letters_stop_the_partition() {
    let mut harness = harness_with(|options| options.consecutive_rejects_max = 2);
    harness.records(A, &[(0, What::Reject), (1, What::Drop), (2, What::Reject)]);
    assert_eq!(harness.engine.stopped_partitions().count(), 0, "a record that is not rejected ends the run");
    let requested = harness.records(A, &[(3, What::Reject), (4, What::Drop)]);
    assert_eq!(requested, [Action::Pause(A)]);
    assert_eq!(harness.engine.stopped_partitions().collect::<Vec<_>>(), [A]);
    assert_eq!(harness.apply(Event::EndReached(A, 9)), []);
    assert_eq!(harness.apply(Event::Tick), [transact(0, &[at(A, 4)])], "what came after it is not passed");
    harness.apply(Event::Committed(BatchId(0)));
    harness.apply(Event::Assigned(&[start(A, 4)]));
    assert_eq!(harness.engine.stopped_partitions().count(), 0);
}

#[test]
fn dead_letters_of_held_records_count_as_consecutive() {
    let mut harness = harness_with(|options| options.consecutive_rejects_max = 2);
    harness.records(A, &[(0, What::Hold), (1, What::Reject)]);
    assert_eq!(harness.apply(Event::Completed(Work::Reject(id(A, 1, 0)))), [Action::Pause(A)]);
    assert_eq!(harness.engine.stopped_partitions().collect::<Vec<_>>(), [A]);
}

#[test]
fn full_topic_pauses_only_its_partitions() {
    let mut harness = harness();
    harness.engine.stage_mut().full_topic = Some(1);
    assert_eq!(harness.apply(Event::Tick), [Action::Pause(B)]);
    assert_eq!(harness.apply(Event::Tick), [], "work once");
    harness.engine.stage_mut().full_topic = None;
    assert_eq!(harness.apply(Event::Tick), [Action::Resume(B)]);
}

#[test]
fn held_bound_pauses_partitions_until_half() {
    let mut harness = harness_with(|options| options.held_records_max = 4);
    let held: Vec<(i64, What)> = (0..5).map(|offset| (offset, What::Hold)).collect();
    assert_eq!(harness.records(A, &held), [Action::Pause(A), Action::Pause(B)]);
    for offset in 0..2 {
        let requested = harness.apply(Event::Completed(Work::Drop(id(A, 1, offset))));
        assert!(!requested.contains(&Action::Resume(A)));
    }
    let requested = harness.apply(Event::Completed(Work::Drop(id(A, 1, 2))));
    assert_eq!(requested, [Action::Resume(A), Action::Resume(B)]);
}

#[test]
fn completed_records_after_a_stuck_one_pause_the_partition() {
    let mut harness = harness_with(|options| options.ledger_records_max = 3);
    harness.records(A, &[(0, What::Hold), (1, What::Hold), (2, What::Hold), (3, What::Hold)]);
    for offset in 1..4 {
        harness.apply(Event::Completed(Work::Drop(id(A, 1, offset))));
    }
    assert_eq!(harness.engine.load().paused, 1);
    let requested = harness.apply(Event::Completed(Work::Drop(id(A, 1, 0))));
    assert!(requested.contains(&Action::Resume(A)), "{requested:?}");
}

#[test]
fn revocation_is_acknowledged_when_drained_and_committed() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    assert_eq!(harness.apply(Event::Revoked(&[A])), [Action::Pause(A)]);
    assert_eq!(harness.engine.stage().drained, [vec![A]]);
    assert_eq!(
        harness.records(A, &[(1, What::Drop)]),
        [],
        "a draining input's records are redelivered elsewhere"
    );
    assert_eq!(harness.engine.counts().ignored, 1);
    let work = Work::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: false };
    assert_eq!(harness.apply(Event::Completed(work)), [transact(0, &[at(A, 1)])]);
    let requested = harness.apply(Event::Committed(BatchId(0)));
    assert_eq!(requested, [acknowledged(A, 0)]);
    assert_eq!(harness.engine.stage().released, [A]);
}

#[test]
fn revocation_waits_for_appended_outputs() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    harness.apply(Event::Completed(Work::Append { id: id(A, 1, 0), outputs: 1 }));
    harness.apply(Event::Completed(Work::Drop(id(A, 1, 0))));
    harness.apply(Event::OffsetsCommitted);
    assert_eq!(harness.apply(Event::Revoked(&[A])), [transact(0, &[at(A, 1)]), Action::Pause(A)]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [acknowledged(A, 0)]);
}

#[test]
fn drain_timeout_leaves_held_records_for_redelivery() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Drop), (1, What::Hold), (2, What::Emit(1))]);
    harness.apply(Event::OffsetsCommitted);
    harness.apply(Event::Revoked(&[A]));
    harness.apply(Event::Aborted(BatchId(0)));
    harness.now_ms += 5_000;
    assert_eq!(harness.apply(Event::Tick), [], "the batch in flight is awaited");
    let requested = harness.apply(Event::Aborted(BatchId(1)));
    assert_eq!(requested, [acknowledged(A, 2)], "and not tried again");
    assert_eq!(harness.engine.counts().redelivered, 2);
    assert!(harness.engine.counts().conserve());
    harness.apply(Event::Completed(Work::Drop(id(A, 1, 1))));
    assert_eq!(harness.engine.counts().stale_effects, 1);
}

#[test]
fn lost_partition_is_discarded_silently() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Drop), (1, What::Emit(1))]);
    harness.apply(Event::OffsetsCommitted);
    assert_eq!(harness.apply(Event::Lost(&[A])), []);
    assert_eq!(harness.apply(Event::Tick), []);
    assert_eq!(harness.engine.stage().released, [A]);
    assert_eq!(harness.engine.counts().redelivered, 1);
}

#[test]
fn lost_partition_withdraws_untaken_requests() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    harness.records(B, &[(0, What::Emit(1))]);
    let now = harness.now();
    harness.engine.apply(Event::Tick, now);
    harness.engine.settle(now);
    assert_eq!(harness.apply(Event::Lost(&[A])), [transact(1, &[at(B, 1)])]);
    assert!(harness.outputs(BatchId(1)).iter().all(|output| output.input == B));
}

#[test]
fn recreated_clients_drop_partitions_and_requests() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    harness.apply(Event::Tick);
    assert_eq!(harness.apply(Event::ClientsRecreated), []);
    harness.apply(Event::Assigned(&[start(A, 0)]));
    harness.records(A, &[(0, What::Emit(1))]);
    assert_eq!(harness.apply(Event::Tick), [transact(1, &[at(A, 1)])]);
    assert_eq!(harness.engine.partition_counts(A).map(|counts| counts.received), Some(1));
}

#[test]
fn shutdown_drains_commits_and_stops() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Emit(1))]);
    let requested = harness.apply(Event::ShutdownRequested);
    assert_eq!(requested, [transact(0, &[at(A, 1)]), Action::Pause(A), Action::Pause(B)]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [Action::Stop(Stop::Drained)]);
    assert_eq!(harness.apply(Event::Tick), []);
}

#[test]
fn shutdown_timeout_reports_held_records() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::ShutdownRequested);
    harness.now_ms += 5_000;
    assert_eq!(harness.apply(Event::Tick), [Action::Stop(Stop::DrainTimedOut { held: 2 })]);
}

#[test]
fn failed_commits_after_a_drain_timeout_are_abandoned() {
    let mut harness = harness();
    harness.apply(Event::EndReached(A, 7));
    harness.apply(Event::OffsetCommitFailed);
    harness.apply(Event::ShutdownRequested);
    harness.now_ms += 5_000;
    harness.apply(Event::Tick);
    assert_eq!(
        harness.apply(Event::OffsetCommitFailed),
        [Action::Stop(Stop::DrainTimedOut { held: 0 })],
        "not drained: an offset was not committed"
    );
}

#[test]
fn failed_rule_stops_the_engine_and_resolves_nothing() {
    let mut harness = harness();
    let requested = harness.records(A, &[(0, What::Fail), (1, What::Drop)]);
    assert_eq!(requested, [Action::Stop(Stop::Failed("scripted".to_owned()))]);
    assert_eq!(harness.engine.positions(A), Some((0, 0)));
}

#[test]
fn resolving_a_record_twice_stops_the_stage() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::Completed(Work::Drop(id(A, 1, 0))));
    let requested = harness.apply(Event::Completed(Work::Reject(id(A, 1, 0))));
    assert!(matches!(requested.as_slice(), [Action::Stop(Stop::Failed(_))]), "{requested:?}");
}

#[test]
fn record_delivered_twice_is_processed_once() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Drop)]);
    harness.records(A, &[(0, What::Hold), (1, What::Drop), (2, What::Drop)]);
    assert_eq!(harness.engine.stage().processed.len(), 3);
    assert_eq!(harness.engine.counts().ignored, 2);
}
