//! Records that can't be judged now, and records that are given back.

use std::time::Duration;

use pipeline::{Action, BatchId, Event, Stop};

use crate::rig::{A, B, Said, What, acknowledged, at, commit, id, rig, rig_with, start, transact};

#[test]
fn a_record_that_can_not_be_judged_pauses_its_source_and_comes_again() {
    let mut rig = rig();
    let asked = rig.records(A, &[(3, What::Hold), (4, What::Defer), (5, What::Hold)]);
    assert_eq!(asked, [Action::Pause(A)]);
    assert_eq!(rig.engine.deferred().collect::<Vec<_>>(), [(A, "away")]);
    let counts = rig.engine.counts();
    assert_eq!((counts.received, counts.ignored), (1, 2));
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(100)));
    rig.now_ms += 99;
    assert_eq!(rig.happens(Event::Tick), []);
    rig.now_ms += 1;
    assert_eq!(rig.happens(Event::Tick), [Action::Rewind(A, 4), Action::Resume(A)]);
    assert_eq!(rig.engine.deferred().count(), 1, "until a record is judged");
    rig.records(A, &[(4, What::Hold)]);
    assert_eq!(rig.engine.deferred().count(), 0);
    assert_eq!(rig.engine.counts().received, 2);
}

#[test]
fn what_arrives_behind_a_deferred_record_is_ignored() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Defer)]);
    rig.records(A, &[(1, What::Drop), (2, What::Hold)]);
    assert_eq!(rig.happens(Event::EndReached(A, 7)), []);
    assert_eq!((rig.engine.positions(A), rig.engine.counts().ignored), (Some((0, 0)), 3));
}

#[test]
fn deferrals_in_a_row_wait_twice_as_long_each_time_up_to_a_bound() {
    let mut rig = rig();
    let mut waits = Vec::new();
    for _ in 0..8 {
        rig.records(A, &[(0, What::Defer)]);
        let wait = rig.engine.next_wake(rig.now()).expect("a wait");
        waits.push(wait.as_millis());
        rig.now_ms += u64::try_from(wait.as_millis()).expect("short");
        assert_eq!(rig.happens(Event::Tick), [Action::Rewind(A, 0), Action::Resume(A)]);
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    rig.records(A, &[(0, What::Hold), (1, What::Defer)]);
    assert_eq!(rig.engine.next_wake(rig.now()), Some(Duration::from_millis(100)), "one was judged");
}

#[test]
fn a_deferred_source_that_is_full_as_well_goes_back_and_stays_paused() {
    let mut rig = rig();
    rig.records(B, &[(0, What::Defer)]);
    rig.engine.stage_mut().full_topic = Some(1);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::Tick), [Action::Rewind(B, 0)]);
    rig.engine.stage_mut().full_topic = None;
    assert_eq!(rig.happens(Event::Tick), [Action::Resume(B)]);
}

#[test]
fn a_deferred_source_drains_what_it_holds() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Defer)]);
    rig.happens(Event::Revoked(&[A]));
    assert_eq!(rig.engine.deferred().count(), 0);
    rig.now_ms += 100;
    assert_eq!(rig.happens(Event::Tick), [], "nothing more is asked for");
    assert_eq!(rig.happens(Event::Completed(Said::Drop(id(A, 1, 0)))), [commit(&[at(A, 1)])]);
    assert_eq!(rig.happens(Event::OffsetsCommitted), [acknowledged(A, 0)]);
}

#[test]
fn a_source_that_has_gone_is_not_asked_for_again() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Defer)]);
    rig.happens(Event::Lost(&[A]));
    rig.happens(Event::Assigned(&[start(A, 0)]));
    rig.now_ms += 5_000;
    assert_eq!(rig.happens(Event::Tick), []);
    assert_eq!(rig.engine.deferred().count(), 0);
}

#[test]
fn a_stage_that_takes_in_what_it_defers_is_stopped() {
    let mut rig = rig();
    let asked = rig.records(A, &[(0, What::Hold), (1, What::DeferHaving(id(A, 1, 0)))]);
    assert!(matches!(asked.as_slice(), [Action::Stop(Stop::Failed(_))]), "{asked:?}");
}

#[test]
fn a_drain_does_not_wait_for_what_is_given_back() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Drop), (1, What::Hold), (2, What::Hold)]);
    rig.happens(Event::OffsetsCommitted);
    rig.happens(Event::Revoked(&[A]));
    assert_eq!(rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 1)]))), []);
    assert_eq!(rig.happens(Event::Completed(Said::Drop(id(A, 1, 2)))), [acknowledged(A, 0)]);
    let counts = rig.engine.counts();
    assert_eq!((counts.returned, counts.released, counts.held), (1, 1, 0));
    assert!(counts.conserve());
}

#[test]
fn no_position_passes_what_is_given_back() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::Revoked(&[A]));
    rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 1)])));
    let said = Said::Emit { ids: vec![id(A, 1, 0)], outputs: 1, urgent: false };
    assert_eq!(rig.happens(Event::Completed(said)), [transact(0, &[at(A, 1)])]);
    assert_eq!(rig.happens(Event::Committed(BatchId(0))), [acknowledged(A, 0)]);
}

#[test]
fn a_shutdown_that_leaves_only_what_was_given_back_is_a_full_drain() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold)]);
    rig.records(B, &[(0, What::Hold)]);
    rig.happens(Event::ShutdownRequested);
    rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 0), id(B, 1, 0)])));
    assert_eq!(rig.happens(Event::Tick), []);
    assert_eq!(rig.engine.counts().released, 2);
}

#[test]
fn what_is_left_with_the_budget_spent_is_told_apart_from_what_was_given_back() {
    let mut rig = rig_with(|_| {});
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::Revoked(&[A]));
    rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 1)])));
    rig.now_ms += 5_000;
    assert_eq!(rig.happens(Event::Tick), [acknowledged(A, 1)]);
}

#[test]
fn a_stage_that_gives_back_outside_of_a_drain_is_stopped() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold)]);
    let asked = rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 0)])));
    assert!(matches!(asked.as_slice(), [Action::Stop(Stop::Failed(_))]), "{asked:?}");
}

#[test]
fn a_stage_that_settles_what_it_gave_back_is_stopped() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold), (1, What::Hold)]);
    rig.happens(Event::Revoked(&[A]));
    rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 0)])));
    let asked = rig.happens(Event::Completed(Said::Drop(id(A, 1, 0))));
    assert!(matches!(asked.as_slice(), [Action::Stop(Stop::Failed(_))]), "{asked:?}");
}

#[test]
fn what_is_given_back_of_an_assignment_that_has_ended_is_discarded() {
    let mut rig = rig();
    rig.records(A, &[(0, What::Hold)]);
    rig.happens(Event::Lost(&[A]));
    assert_eq!(rig.happens(Event::Completed(Said::Release(vec![id(A, 1, 0)]))), []);
    assert_eq!(rig.engine.counts().stale_effects, 1);
}
