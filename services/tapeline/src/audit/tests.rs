//! The audit detects errors: one record of a correct run is removed, doubled, or swapped with another, at each stage.

mod crashes;
mod sample_run;

use contracts::Topic;

use super::{AuditResult, DedupWindows, Stage, count};
use sample_run::SampleRun;

/// Returns lost, doubled and reordered of one stage. The others must have none.
fn findings(run: SampleRun, of: Stage) -> (u64, u64, u64) {
    let result = audit(run);
    let row = result.row(of);
    let found = (row.lost, row.doubled, row.reordered);
    assert_eq!(result.totals(), found, "another stage has errors: {:#?}", result.examples);
    found
}

fn audit(run: SampleRun) -> AuditResult {
    count(&mut run.records(), DedupWindows::default())
}

#[test]
fn correct_run_has_no_errors_and_its_latencies() {
    let result = audit(SampleRun::correct());
    assert_eq!(result.totals(), (0, 0, 0), "{:#?}", result.examples);
    for stage in Stage::ALL {
        let row = result.row(stage);
        assert!(row.expected >= 5 && row.expected == row.found, "{stage:?} {row:?}");
        assert_eq!(row.inputs, row.expected + row.covered + row.dead_letters, "{stage:?} {row:?}");
    }
    assert_eq!(result.latencies_ms, vec![40; 10]);
}

#[test]
fn lost_doubled_and_reordered_outputs_of_announcer_are_counted() {
    // Without an announcement there is no range request either.
    let mut run = SampleRun::correct();
    let removed = run.announcements.remove(1);
    run.planned.retain(|number| *number != removed);
    run.backfill_ends.retain(|end| end.0 != removed);
    assert_eq!(findings(run, Stage::Announcer), (1, 0, 0));

    // A doubled announcement has two range requests and one end: the second request arrived while the first ran.
    let mut run = SampleRun::correct();
    run.announcements.push(run.announcements[2]);
    run.planned.push(run.planned[2]);
    assert_eq!(findings(run, Stage::Announcer), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.announcements.swap(0, 1);
    run.planned.swap(0, 1);
    assert_eq!(findings(run, Stage::Announcer), (0, 0, 1));
}

#[test]
fn lost_doubled_and_reordered_outputs_of_bridge_are_counted() {
    let mut run = SampleRun::correct();
    run.requests.remove(2);
    let result = audit(run);
    assert_eq!((result.row(Stage::Bridge).lost, result.row(Stage::Bridge).doubled), (1, 0));
    assert_eq!(result.row(Stage::Feature).doubled, 1, "its vector has no request");

    let mut run = SampleRun::correct();
    run.requests.push(run.requests[2].clone());
    let result = audit(run);
    assert_eq!((result.row(Stage::Bridge).lost, result.row(Stage::Bridge).doubled), (0, 1));
    assert_eq!(result.row(Stage::Feature).lost, 1, "the second request has no vector");

    let mut run = SampleRun::correct();
    run.requests.swap(4, 5);
    run.vectors.swap(4, 5);
    assert_eq!(findings(run, Stage::Bridge), (0, 0, 1));
}

#[test]
fn lost_doubled_and_reordered_outputs_of_feature_are_counted() {
    let mut run = SampleRun::correct();
    run.vectors.remove(1);
    assert_eq!(findings(run, Stage::Feature), (1, 0, 0));

    let mut run = SampleRun::correct();
    run.vectors.push(run.vectors[3]);
    assert_eq!(findings(run, Stage::Feature), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.vectors.swap(7, 8);
    assert_eq!(findings(run, Stage::Feature), (0, 0, 1));

    let mut run = SampleRun::correct();
    run.failures.push(run.vectors.remove(5));
    assert_eq!(findings(run, Stage::Feature), (0, 0, 0), "a failure counts as an end and has no order");
}

#[test]
fn lost_doubled_and_reordered_outputs_of_planner_are_counted() {
    let mut run = SampleRun::correct();
    let removed = run.planned.remove(1);
    run.backfill_ends.retain(|end| end.0 != removed);
    assert_eq!(findings(run, Stage::Planner), (1, 0, 0));

    let mut run = SampleRun::correct();
    run.planned.push(run.planned[1]);
    // The end of the first attempt resolves the second request too.
    assert_eq!(findings(run, Stage::Planner), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.planned.swap(1, 2);
    assert_eq!(findings(run, Stage::Planner), (0, 0, 1));
}

#[test]
fn lost_doubled_and_reordered_outputs_of_executor_are_counted() {
    let mut run = SampleRun::correct();
    run.backfill_ends.remove(1);
    assert_eq!(findings(run, Stage::Executor), (1, 0, 0));

    let mut run = SampleRun::correct();
    run.backfill_ends.push(run.backfill_ends[1]);
    assert_eq!(findings(run, Stage::Executor), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.chunks.push(run.chunks[1]);
    assert_eq!(findings(run, Stage::Executor), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.chunks.swap(0, 1);
    assert_eq!(findings(run, Stage::Executor), (0, 0, 1));
}

#[test]
fn dead_letter_resolves_an_input_and_a_second_one_is_doubled() {
    let mut run = SampleRun::correct();
    run.requests.remove(2);
    run.vectors.remove(2);
    run.dead_letters.push((Topic::AlertRaised, 2));
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 0, 0));
    assert_eq!(audit(run.clone()).row(Stage::Bridge).dead_letters, 1);
    run.dead_letters.push((Topic::AlertRaised, 2));
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 1, 0));

    let mut run = SampleRun::correct();
    run.dead_letters.push((Topic::AlertRaised, 2));
    assert_eq!(findings(run, Stage::Bridge), (0, 1, 0), "it is also in a request");

    let mut run = SampleRun::correct();
    run.invalid_alerts = 1;
    assert_eq!(findings(run.clone(), Stage::Bridge), (1, 0, 0), "invalid without a dead letter");
    run.dead_letters.push((Topic::AlertRaised, 10));
    assert_eq!(findings(run, Stage::Bridge), (0, 0, 0));
}
