//! Drain of a partition, and its next owner.

use backfill::config::ExecutorSection;
use contracts::Topic;
use pipeline::Verdict;

use crate::bench::{Bench, now, request, transient};

fn bench_of_ten_days() -> Bench {
    Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() })
}

#[test]
fn gathering_and_waiting_requests_are_released_at_once() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.table_ends_at(9);
    bench.hold(&request(2, "2024-01-02", "2024-01-05"), now(0));
    assert_eq!(bench.bound("requests"), (2, 10_000));
    bench.drain(now(0));
    assert_eq!((bench.held().len(), bench.released), (0, 2));
    assert_eq!(
        (bench.note("tapeline_backfill_waiting_requests"), bench.note("tapeline_backfill_running_fetches")),
        (0, 0)
    );
    bench.table_reaches(9);
    bench.work_all(now(60));
    assert!(bench.started.is_empty() && bench.outputs.emissions.is_empty());
}

#[test]
fn started_chunk_is_written_and_next_owner_fetches_the_rest() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    assert_eq!((bench.held().len(), bench.released), (1, 0), "a worker has its first chunk");
    bench.work(&jobs[0], now(3));
    bench.drain(now(3));
    assert_eq!(
        (bench.held().len(), bench.released, bench.note("tapeline_backfill_running_fetches")),
        (0, 1, 0)
    );
    assert!(bench.take_jobs().is_empty(), "no further chunk");
    let topics: Vec<_> = bench.outputs.emissions[0].iter().copied().skip(10).collect();
    assert_eq!(topics, [Topic::RangeProgressed, Topic::CoverageChanged]);

    let mut next = bench_of_ten_days();
    for change in &bench.outputs.coverage {
        next.table_record(change);
    }
    next.table_reaches(1);
    next.hold(&request(1, "2024-01-01", "2024-01-25"), now(4));
    next.work_all(now(6));
    assert_eq!((next.started.len(), next.outputs.bars.len(), next.outputs.completed.len()), (2, 15, 1));
}

#[test]
fn last_chunk_ends_its_request_during_a_drain() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    bench.work(&jobs[0], now(3));
    bench.drain(now(3));
    assert_eq!((bench.held().len(), bench.released, bench.outputs.completed.len()), (0, 0, 1));
}

#[test]
fn chunk_between_two_attempts_does_not_delay_the_drain() {
    let mut bench = Bench::new();
    bench.source.errors.lock().unwrap().push_back(transient());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    bench.work(&jobs[0], now(2));
    bench.drain(now(2));
    assert_eq!(
        (bench.held().len(), bench.released, bench.note("tapeline_backfill_running_fetches")),
        (0, 1, 0)
    );
}

#[test]
fn attempt_ended_before_a_restart_does_not_end_again() {
    let mut bench = Bench::new();
    let requested = request(1, "2024-01-02", "2024-01-05");
    bench.hold(&requested, now(0));
    bench.work_all(now(2));
    let mut next = Bench::new();
    let (completion, coverage) = (&bench.outputs.completed[0], &bench.outputs.coverage[0]);
    let record = next.wire.write(completion, None).unwrap();
    next.restore(&record, now(2), now(3));
    next.table_record(coverage);
    next.table_reaches(1);
    assert!(matches!(next.request(&requested, now(3)), Verdict::Hold));
    next.work_all(now(5));
    let again = &next.outputs.completed[0];
    assert_eq!((again.attempt, again.fetched.len(), next.started.len()), (2, 0, 0), "all of it is covered");

    let mut cut = record.clone();
    cut.payload.truncate(9);
    next.restore(&cut, now(2), now(3));
    assert_eq!(
        (
            next.note("tapeline_restore_applied_records_total"),
            next.note("tapeline_restore_skipped_records_total")
        ),
        (1, 1)
    );
}
