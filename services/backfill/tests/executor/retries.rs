//! Errors of a source: temporary ones are retried after a wait on the clock, permanent ones are not.

use backfill::sources::SourceError;
use contracts::BackfillErrorClass;
use domain::Timestamp;
use pipeline::Stage;

use crate::bench::{Bench, now, permanent, request, transient};

/// The error of data that is being written until this second.
fn being_written(until: u64) -> SourceError {
    SourceError::being_written("script", Timestamp::from_micros(now(until).wall_micros), "half a row")
}

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
    let wake = bench.stage.next_wake(now(2)).unwrap();
    assert!(!wake.is_zero() && wake <= std::time::Duration::from_secs(1), "{wake:?}");
    assert!(bench.take_jobs().is_empty(), "no worker is occupied during the wait");
    bench.tick(now(3));
    assert_eq!(bench.take_jobs().len(), 1);
}

#[test]
fn data_that_is_being_written_is_read_at_the_time_it_names() {
    let mut bench = Bench::new();
    // More often than a chunk has attempts.
    let times = [12, 22, 32, 42];
    bench.source.errors.lock().unwrap().extend(times.map(being_written));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    for (calls, until) in (1..).zip(times) {
        let second = bench.stage.next_wake(now(until - 10)).unwrap().as_secs();
        assert_eq!((bench.started.len(), second), (calls, 10));
        bench.work_all(now(until - 1));
        assert_eq!(bench.started.len(), calls, "no call before {until} s");
        bench.work_all(now(until));
    }
    assert_eq!((bench.started.len(), bench.outputs.failed.len()), (5, 0));
    assert!(bench.outputs.completed[0].success);
}

#[test]
fn data_that_is_always_being_written_ends_in_exhausted() {
    let mut bench = Bench::new();
    // Each time it has been changed again.
    bench.source.errors.lock().unwrap().extend((1..20).map(|change| being_written(2 + 10 * change)));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_until_all_ended(2);
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Exhausted, true));
    assert_eq!((bench.started.len(), end.attempts), (7, 1), "one call at once, and six within a minute");
    assert!(end.error.ends_with("source script failed: half a row"), "{}", end.error);
}

#[test]
fn file_of_another_clock_is_read_ten_times_a_second_at_most() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().extend([being_written(0), being_written(1_000_000)]);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    assert_eq!(bench.stage.next_wake(now(2)).map(|wait| wait.as_millis()), Some(100));
    bench.work_all(now(3));
    assert_eq!(bench.started.len(), 2);
    bench.work_all(now(63));
    assert!(bench.outputs.completed[0].success, "a time of the future is not waited for");
}

fn until(seconds: u64) -> Timestamp {
    Timestamp::from_micros(now(seconds).wall_micros)
}

#[test]
fn retry_waits_for_the_time_that_the_source_names() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().push_back(SourceError::transient_until("script", until(40), "429"));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    assert_eq!(bench.stage.next_wake(now(2)).map(|wait| wait.as_secs()), Some(38));
    bench.work_all(now(39));
    assert_eq!(bench.started.len(), 1);
    bench.work_all(now(40));
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (2, 1));
}

#[test]
fn time_that_is_too_far_away_ends_in_exhausted() {
    let mut bench = Bench::new();
    let day = 86_400;
    bench.source.errors.lock().unwrap().push_back(SourceError::transient_until("script", until(day), "429"));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::Exhausted, true));
}

#[test]
fn busy_source_uses_up_no_attempt() {
    let mut bench = Bench::new();
    // More often than a chunk has attempts; the last one at once.
    let times = [12, 22, 32, 42, 0];
    bench
        .source
        .errors
        .lock()
        .unwrap()
        .extend(times.map(|time| SourceError::busy("script", until(time), "")));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.work_all(now(2));
    for (calls, time) in (2..).zip([12, 22, 32, 42]) {
        bench.work_all(now(time));
        assert_eq!(bench.started.len(), calls);
    }
    assert_eq!(bench.stage.next_wake(now(42)).map(|wait| wait.as_millis()), Some(100));
    bench.work_all(now(43));
    assert!(bench.outputs.completed[0].success);
}
