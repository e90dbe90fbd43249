//! Deferred records, and released records.

use std::time::Duration;

use pipeline::{Action, BatchId, Event, Stop};

use crate::harness::{
    A, B, What, Work, acknowledged, at, commit, harness, harness_with, id, start, transact,
};

#[test]
fn deferred_record_pauses_its_partition_and_is_redelivered() {
    let mut harness = harness();
    let requested = harness.records(A, &[(3, What::Hold), (4, What::Defer), (5, What::Hold)]);
    assert_eq!(requested, [Action::Pause(A)]);
    assert_eq!(harness.engine.deferred().collect::<Vec<_>>(), [(A, "away")]);
    let counts = harness.engine.counts();
    assert_eq!((counts.received, counts.ignored), (1, 2));
    assert_eq!(harness.engine.next_wake(harness.now()), Some(Duration::from_millis(100)));
    harness.now_ms += 99;
    assert_eq!(harness.apply(Event::Tick), []);
    harness.now_ms += 1;
    assert_eq!(harness.apply(Event::Tick), [Action::Rewind(A, 4), Action::Resume(A)]);
    assert_eq!(harness.engine.deferred().count(), 1, "until a record is processed");
    harness.records(A, &[(4, What::Hold)]);
    assert_eq!(harness.engine.deferred().count(), 0);
    assert_eq!(harness.engine.counts().received, 2);
}

#[test]
fn records_after_a_deferred_one_are_ignored() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Defer)]);
    harness.records(A, &[(1, What::Drop), (2, What::Hold)]);
    assert_eq!(harness.apply(Event::EndReached(A, 7)), []);
    assert_eq!((harness.engine.positions(A), harness.engine.counts().ignored), (Some((0, 0)), 3));
}

#[test]
fn consecutive_deferrals_back_off_up_to_a_bound() {
    let mut harness = harness();
    let mut waits = Vec::new();
    for _ in 0..8 {
        harness.records(A, &[(0, What::Defer)]);
        let wait = harness.engine.next_wake(harness.now()).expect("a wait");
        waits.push(wait.as_millis());
        harness.now_ms += u64::try_from(wait.as_millis()).expect("short");
        assert_eq!(harness.apply(Event::Tick), [Action::Rewind(A, 0), Action::Resume(A)]);
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    harness.records(A, &[(0, What::Hold), (1, What::Defer)]);
    assert_eq!(
        harness.engine.next_wake(harness.now()),
        Some(Duration::from_millis(100)),
        "one was processed"
    );
}

#[test]
fn deferred_full_partition_rewinds_and_stays_paused() {
    let mut harness = harness();
    harness.records(B, &[(0, What::Defer)]);
    harness.engine.stage_mut().full_topic = Some(1);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::Tick), [Action::Rewind(B, 0)]);
    harness.engine.stage_mut().full_topic = None;
    assert_eq!(harness.apply(Event::Tick), [Action::Resume(B)]);
}

#[test]
fn deferred_partition_drains_held_records() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Defer)]);
    harness.apply(Event::Revoked(&[A]));
    assert_eq!(harness.engine.deferred().count(), 0);
    harness.now_ms += 100;
    assert_eq!(harness.apply(Event::Tick), [], "nothing more is requested");
    assert_eq!(harness.apply(Event::Completed(Work::Drop(id(A, 1, 0)))), [commit(&[at(A, 1)])]);
    assert_eq!(harness.apply(Event::OffsetsCommitted), [acknowledged(A, 0)]);
}

#[test]
fn unassigned_partition_is_not_rewound() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Defer)]);
    harness.apply(Event::Lost(&[A]));
    harness.apply(Event::Assigned(&[start(A, 0)]));
    harness.now_ms += 5_000;
    assert_eq!(harness.apply(Event::Tick), []);
    assert_eq!(harness.engine.deferred().count(), 0);
}

#[test]
fn effects_of_a_deferred_record_stop_the_stage() {
    let mut harness = harness();
    let requested = harness.records(A, &[(0, What::Hold), (1, What::DeferHaving(id(A, 1, 0)))]);
    assert!(matches!(requested.as_slice(), [Action::Stop(Stop::Failed(_))]), "{requested:?}");
}

#[test]
fn drain_does_not_wait_for_released_records() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Drop), (1, What::Hold), (2, What::Hold)]);
    harness.apply(Event::OffsetsCommitted);
    harness.apply(Event::Revoked(&[A]));
    assert_eq!(harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 1)]))), []);
    assert_eq!(harness.apply(Event::Completed(Work::Drop(id(A, 1, 2)))), [acknowledged(A, 0)]);
    let counts = harness.engine.counts();
    assert_eq!((counts.redelivered, counts.released, counts.held), (1, 1, 0));
    assert!(counts.conserve());
}

#[test]
fn position_does_not_pass_released_records() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::Revoked(&[A]));
    harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 1)])));
    let work = Work::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: false };
    assert_eq!(harness.apply(Event::Completed(work)), [transact(0, &[at(A, 1)])]);
    assert_eq!(harness.apply(Event::Committed(BatchId(0))), [acknowledged(A, 0)]);
}

#[test]
fn shutdown_with_only_released_records_is_drained() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    harness.records(B, &[(0, What::Hold)]);
    harness.apply(Event::ShutdownRequested);
    harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 0), id(B, 1, 0)])));
    assert_eq!(harness.apply(Event::Tick), []);
    assert_eq!(harness.engine.counts().released, 2);
}

#[test]
fn drain_timeout_counts_without_released_records() {
    let mut harness = harness_with(|_| {});
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::Revoked(&[A]));
    harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 1)])));
    harness.now_ms += 5_000;
    assert_eq!(harness.apply(Event::Tick), [acknowledged(A, 1)]);
}

#[test]
fn release_outside_a_drain_stops_the_stage() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    let requested = harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 0)])));
    assert!(matches!(requested.as_slice(), [Action::Stop(Stop::Failed(_))]), "{requested:?}");
}

#[test]
fn resolving_a_released_record_stops_the_stage() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold), (1, What::Hold)]);
    harness.apply(Event::Revoked(&[A]));
    harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 0)])));
    let requested = harness.apply(Event::Completed(Work::Drop(id(A, 1, 0))));
    assert!(matches!(requested.as_slice(), [Action::Stop(Stop::Failed(_))]), "{requested:?}");
}

#[test]
fn release_for_an_ended_assignment_is_discarded() {
    let mut harness = harness();
    harness.records(A, &[(0, What::Hold)]);
    harness.apply(Event::Lost(&[A]));
    assert_eq!(harness.apply(Event::Completed(Work::Release(vec![id(A, 1, 0)]))), []);
    assert_eq!(harness.engine.counts().stale_effects, 1);
}
