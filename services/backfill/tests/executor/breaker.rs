//! Circuit breaker of the source: while it is open, chunks wait without an attempt, and partitions pause.

use std::sync::{Arc, Mutex};

use backfill::config::ExecutorSection;
use backfill::sources::SourceError;
use contracts::RangeRequest;
use kafka_io::BreakerMeters;
use pipeline::Stage;

use crate::bench::{Bench, now, permanent, request, transient};

/// A stage that retries often enough to open the breaker.
fn bench() -> Bench {
    let section = ExecutorSection {
        attempts_max: 100,
        backoff_max_ms: 1_000.into(),
        running_max: 4,
        ..ExecutorSection::default()
    };
    Bench::with(section)
}

fn fail(bench: &Bench, times: usize) {
    bench.source.errors.lock().expect("an intact lock").extend((0..times).map(|_| transient()));
}

/// Works each second up to this one.
fn work_until(bench: &mut Bench, seconds: std::ops::RangeInclusive<u64>) {
    for second in seconds {
        bench.work_all(now(second));
    }
}

fn is_full(bench: &Bench) -> bool {
    bench.stage.is_full(0)
}

/// A request for another symbol of the same partition.
fn other(number: u128) -> RangeRequest {
    RangeRequest {
        data_types: vec![contracts::DataKind::MarketData],
        ..request(number, "2023-01-03", "2023-01-05")
    }
}

#[test]
fn five_failures_hold_the_chunk_for_thirty_seconds() {
    let mut bench = bench();
    fail(&bench, 5);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    // The longest wait is a second, so the fifth call is made by then.
    work_until(&mut bench, 2..=12);
    assert_eq!((bench.started.len(), is_full(&bench)), (5, true), "partitions pause");
    let wake = bench.stage.next_wake(now(12)).unwrap().as_secs();
    assert!((20..=30).contains(&wake), "{wake}");
    work_until(&mut bench, 13..=32);
    assert_eq!(bench.started.len(), 5, "no call while it is open");
    work_until(&mut bench, 33..=42);
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (6, 1));
    assert!(!is_full(&bench), "nothing is held");
}

#[test]
fn responses_with_errors_of_the_data_keep_it_closed() {
    let mut bench = bench();
    for number in 1..=10 {
        bench.source.errors.lock().unwrap().push_back(permanent());
        bench.hold(&request(number, "2024-01-02", "2024-01-05"), now(0));
        bench.work_all(now(2));
    }
    assert_eq!((bench.started.len(), bench.outputs.failed.len()), (10, 10));
    assert!(!is_full(&bench));
}

#[test]
fn busy_source_is_no_evidence() {
    let mut bench = bench();
    let until = domain::Timestamp::from_micros(0);
    bench.source.errors.lock().unwrap().extend((0..10).map(|_| SourceError::busy("script", until, "quota")));
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    work_until(&mut bench, 2..=20);
    assert_eq!((bench.started.len(), bench.outputs.completed.len()), (11, 1));
}

#[test]
fn held_chunk_is_released_in_a_drain() {
    let mut bench = bench();
    fail(&bench, 5);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    work_until(&mut bench, 2..=12);
    bench.drain(now(13));
    assert_eq!((bench.held().len(), bench.released), (0, 1));
    assert!(!is_full(&bench), "the next request is the trial");
    bench.reassign(now(14));
    bench.hold(&other(2), now(15));
    work_until(&mut bench, 15..=60);
    assert_eq!(bench.outputs.completed.len(), 1);
}

#[test]
fn hook_has_the_cause_until_it_closes() {
    let mut bench = bench();
    let causes = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&causes);
    let hook = Box::new(move |cause: Option<&str>| recorded.lock().unwrap().push(cause.map(str::to_owned)));
    bench.guard_source(BreakerMeters::none("source"), hook);
    fail(&bench, 5);
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    work_until(&mut bench, 2..=50);
    let open = "circuit breaker of the source open: source script failed: timed out";
    assert_eq!(*causes.lock().unwrap(), [Some(open.to_owned())], "one success does not close it");
    bench.hold(&other(2), now(51));
    work_until(&mut bench, 51..=60);
    assert_eq!(*causes.lock().unwrap(), [Some(open.to_owned()), None]);
}
