//! A partition that is about to go, and what the next owner makes of what was given back.

use backfill::config::ExecutorSection;
use contracts::Topic;
use kafka_io::KafkaStage;
use pipeline::Verdict;

use crate::bench::{Bench, now, record_of, request, transient, wire};

fn bench_of_ten_days() -> Bench {
    Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() })
}

#[test]
fn what_gathers_or_waits_for_its_coverage_is_given_back_at_once() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.table_ends_at(9);
    bench.hold(&request(2, "2024-01-02", "2024-01-05"), now(0));
    bench.drain(now(0));
    assert_eq!((bench.held(), bench.released), (0, 2));
    assert_eq!(
        (bench.note("tapeline_backfill_waiting_requests"), bench.note("tapeline_backfill_running_fetches")),
        (0, 0)
    );
    bench.table_reaches(9);
    bench.work_all(now(60));
    assert!(bench.asked.is_empty() && bench.left.emissions.is_empty());
}

#[test]
fn a_chunk_at_a_worker_leaves_and_the_next_owner_fetches_the_rest() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    assert_eq!((bench.held(), bench.released), (1, 0), "a worker has its first chunk");
    bench.work(&jobs[0], now(3));
    bench.drain(now(3));
    assert_eq!((bench.held(), bench.released, bench.note("tapeline_backfill_running_fetches")), (0, 1, 0));
    assert!(bench.take_jobs().is_empty(), "no further chunk");
    let topics: Vec<_> = bench.left.emissions[0].iter().copied().skip(10).collect();
    assert_eq!(topics, [Topic::RangeProgressed, Topic::CoverageChanged]);

    let mut next = bench_of_ten_days();
    for change in &bench.left.coverage {
        next.table_record(change);
    }
    next.table_reaches(1);
    next.hold(&request(1, "2024-01-01", "2024-01-25"), now(4));
    next.work_all(now(6));
    assert_eq!((next.asked.len(), next.left.bars.len(), next.left.completed.len()), (2, 15, 1));
}

#[test]
fn the_last_chunk_ends_its_request() {
    let mut bench = Bench::new();
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    bench.work(&jobs[0], now(3));
    bench.drain(now(3));
    assert_eq!((bench.held(), bench.released, bench.left.completed.len()), (0, 0, 1));
}

#[test]
fn a_chunk_that_waits_for_its_next_attempt_is_not_waited_for() {
    let mut bench = Bench::new();
    bench.source.faults.lock().unwrap().push_back(transient());
    bench.hold(&request(1, "2024-01-02", "2024-01-05"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.drain(now(2));
    bench.work(&jobs[0], now(2));
    bench.drain(now(2));
    assert_eq!((bench.held(), bench.released, bench.note("tapeline_backfill_running_fetches")), (0, 1, 0));
}

#[test]
fn an_attempt_that_ended_before_a_restart_does_not_end_again() {
    let mut bench = Bench::new();
    let asked = request(1, "2024-01-02", "2024-01-05");
    bench.hold(&asked, now(0));
    bench.work_all(now(2));
    let mut next = Bench::new();
    let (completion, coverage) = (&bench.left.completed[0], &bench.left.coverage[0]);
    let record = wire().write(completion, None).unwrap();
    next.stage.restore_record(&record_of(&record), now(3)).unwrap();
    next.table_record(coverage);
    next.table_reaches(1);
    assert!(matches!(next.request(&asked, now(3)), Verdict::Hold));
    next.work_all(now(5));
    let again = &next.left.completed[0];
    assert_eq!((again.attempt, again.fetched.len(), next.asked.len()), (2, 0, 0), "all of it is covered");

    let mut cut = record.clone();
    cut.payload.truncate(9);
    next.stage.restore_record(&record_of(&cut), now(3)).unwrap();
    assert_eq!(
        (
            next.note("tapeline_restore_applied_records_total"),
            next.note("tapeline_restore_skipped_records_total")
        ),
        (1, 1)
    );
}
