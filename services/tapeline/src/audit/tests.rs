//! The count can fail: from a good run of each stage one record is dropped, one doubled, two are swapped, and each is seen as what it is.

mod crashes;
#[path = "tests/sample_run.rs"]
mod run;

use contracts::Topic;

use super::{Count, Stage, Windows, count};
use run::Run;

/// Lost, doubled, reordered of one stage; the others must have none.
fn faults(run: Run, of: Stage) -> (u64, u64, u64) {
    let count = counted(run);
    let row = count.row(of);
    let found = (row.lost, row.doubled, row.reordered);
    assert_eq!(count.faults(), found, "another stage is to blame: {:#?}", count.examples);
    found
}

fn counted(run: Run) -> Count {
    count(&mut run.seen(), Windows::default())
}

#[test]
fn a_good_run_counts_zero_and_measures_latency() {
    let count = counted(Run::good());
    assert_eq!(count.faults(), (0, 0, 0), "{:#?}", count.examples);
    for stage in Stage::ALL {
        let row = count.row(stage);
        assert!(row.expected >= 5 && row.expected == row.found, "{stage:?} {row:?}");
        assert_eq!(row.inputs, row.expected + row.covered + row.dead_letters, "{stage:?} {row:?}");
    }
    assert_eq!(count.latencies_ms, vec![40; 10]);
}

#[test]
fn of_the_announcer() {
    // What nobody announced isn't planned either.
    let mut run = Run::good();
    let gone = run.announcements.remove(1);
    run.planned.retain(|number| *number != gone);
    run.ends_of_ranges.retain(|end| end.0 != gone);
    assert_eq!(faults(run, Stage::Announcer), (1, 0, 0));

    // What was announced twice is planned twice, and ends once: the second came while the first ran.
    let mut run = Run::good();
    run.announcements.push(run.announcements[2]);
    run.planned.push(run.planned[2]);
    assert_eq!(faults(run, Stage::Announcer), (0, 1, 0));

    let mut run = Run::good();
    run.announcements.swap(0, 1);
    run.planned.swap(0, 1);
    assert_eq!(faults(run, Stage::Announcer), (0, 0, 1));
}

#[test]
fn of_the_bridge() {
    let mut run = Run::good();
    run.requests.remove(2);
    let count = counted(run);
    assert_eq!((count.row(Stage::Bridge).lost, count.row(Stage::Bridge).doubled), (1, 0));
    assert_eq!(count.row(Stage::Feature).doubled, 1, "its vector answers nothing");

    let mut run = Run::good();
    run.requests.push(run.requests[2].clone());
    let count = counted(run);
    assert_eq!((count.row(Stage::Bridge).lost, count.row(Stage::Bridge).doubled), (0, 1));
    assert_eq!(count.row(Stage::Feature).lost, 1, "the second was never answered");

    let mut run = Run::good();
    run.requests.swap(4, 5);
    run.vectors.swap(4, 5);
    assert_eq!(faults(run, Stage::Bridge), (0, 0, 1));
}

#[test]
fn of_feature() {
    let mut run = Run::good();
    run.vectors.remove(1);
    assert_eq!(faults(run, Stage::Feature), (1, 0, 0));

    let mut run = Run::good();
    run.vectors.push(run.vectors[3]);
    assert_eq!(faults(run, Stage::Feature), (0, 1, 0));

    let mut run = Run::good();
    run.vectors.swap(7, 8);
    assert_eq!(faults(run, Stage::Feature), (0, 0, 1));

    let mut run = Run::good();
    run.failures.push(run.vectors.remove(5));
    assert_eq!(faults(run, Stage::Feature), (0, 0, 0), "a failure is an end, without a place in the order");
}

#[test]
fn of_the_planner() {
    let mut run = Run::good();
    let gone = run.planned.remove(1);
    run.ends_of_ranges.retain(|end| end.0 != gone);
    assert_eq!(faults(run, Stage::Planner), (1, 0, 0));

    let mut run = Run::good();
    run.planned.push(run.planned[1]);
    // The executor answers the second by the end of the first.
    assert_eq!(faults(run, Stage::Planner), (0, 1, 0));

    let mut run = Run::good();
    run.planned.swap(1, 2);
    assert_eq!(faults(run, Stage::Planner), (0, 0, 1));
}

#[test]
fn of_the_executor() {
    let mut run = Run::good();
    run.ends_of_ranges.remove(1);
    assert_eq!(faults(run, Stage::Executor), (1, 0, 0));

    let mut run = Run::good();
    run.ends_of_ranges.push(run.ends_of_ranges[1]);
    assert_eq!(faults(run, Stage::Executor), (0, 1, 0));

    let mut run = Run::good();
    run.chunks.push(run.chunks[1]);
    assert_eq!(faults(run, Stage::Executor), (0, 1, 0));

    let mut run = Run::good();
    run.chunks.swap(0, 1);
    assert_eq!(faults(run, Stage::Executor), (0, 0, 1));
}

#[test]
fn a_dead_letter_is_an_end_and_a_second_one_is_one_too_many() {
    let mut run = Run::good();
    run.requests.remove(2);
    run.vectors.remove(2);
    run.letters.push((Topic::AlertRaised, 2));
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 0, 0));
    assert_eq!(counted(run.clone()).row(Stage::Bridge).dead_letters, 1);
    run.letters.push((Topic::AlertRaised, 2));
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 1, 0));

    let mut run = Run::good();
    run.letters.push((Topic::AlertRaised, 2));
    assert_eq!(faults(run, Stage::Bridge), (0, 1, 0), "it is in a request, too");

    let mut run = Run::good();
    run.broken_alerts = 1;
    assert_eq!(faults(run.clone(), Stage::Bridge), (1, 0, 0), "it holds no event and is nowhere");
    run.letters.push((Topic::AlertRaised, 10));
    assert_eq!(faults(run, Stage::Bridge), (0, 0, 0));
}
