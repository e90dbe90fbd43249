//! A source's faults: what may pass is tried again after a wait on the clock, what won't isn't.

use contracts::BackfillErrorClass;

use crate::bench::{Bench, now, permanent, request, transient};

#[test]
fn a_transient_fault_is_tried_again_and_a_permanent_one_is_not() {
    let mut bench = Bench::new();
    bench.source.faults.lock().unwrap().extend([transient(), transient()]);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    assert_eq!((bench.asked.len(), bench.left.completed.len()), (3, 1));
    assert!(bench.left.completed[0].success);

    let mut bench = Bench::new();
    bench.source.faults.lock().unwrap().push_back(permanent());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    let end = &bench.left.failed[0];
    assert_eq!((bench.asked.len(), end.attempts), (1, 1));
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Refused, false));
}

#[test]
fn a_chunk_is_given_up_after_its_attempts() {
    let mut bench = Bench::new();
    bench.source.faults.lock().unwrap().extend((0..3).map(|_| transient()));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    let end = &bench.left.failed[0];
    assert_eq!((bench.asked.len(), end.attempts), (3, 3));
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Exhausted, true));
    assert!(end.error.ends_with("script: a time-out"), "{}", end.error);
}

#[test]
fn a_wait_passes_on_the_clock_and_says_when_it_ends() {
    let mut bench = Bench::new();
    bench.source.faults.lock().unwrap().push_back(transient());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(2));
    let wake = pipeline::Stage::next_wake(&bench.stage, now(2)).unwrap();
    assert!(!wake.is_zero() && wake <= std::time::Duration::from_secs(1), "{wake:?}");
    assert!(bench.take_jobs().is_empty(), "nobody works while it waits");
    bench.tick(now(3));
    assert_eq!(bench.take_jobs().len(), 1);
}
