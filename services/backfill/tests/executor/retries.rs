//! Errors of a source: temporary ones are retried after a wait on the clock, permanent ones are not.

use contracts::BackfillErrorClass;

use crate::bench::{Bench, now, permanent, request, transient};

#[test]
fn only_temporary_errors_are_retried() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().extend([transient(), transient()]);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (3, 1));
    assert!(bench.outputs.completed[0].success);

    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    let end = &bench.outputs.failed[0];
    assert_eq!((bench.started.len(), end.attempts), (1, 1));
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Refused, false));
}

#[test]
fn chunk_fails_after_its_last_attempt() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().extend((0..3).map(|_| transient()));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    let end = &bench.outputs.failed[0];
    assert_eq!((bench.started.len(), end.attempts), (3, 3));
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Exhausted, true));
    assert!(end.error.ends_with("source script failed: timed out"), "{}", end.error);
}

#[test]
fn retry_waits_on_the_clock_and_schedules_a_wake_up() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().push_back(transient());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(2));
    let wake = pipeline::Stage::next_wake(&bench.stage, now(2)).unwrap();
    assert!(!wake.is_zero() && wake <= std::time::Duration::from_secs(1), "{wake:?}");
    assert!(bench.take_jobs().is_empty(), "no worker is occupied during the wait");
    bench.tick(now(3));
    assert_eq!(bench.take_jobs().len(), 1);
}
