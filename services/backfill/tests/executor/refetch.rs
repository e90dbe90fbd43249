//! Requests with `refetch`: covered ranges are fetched again, once, also across restarts.

use backfill::config::ExecutorSection;
use contracts::{BackfillErrorClass, RangeRequest, RefetchAttempt, Topic};
use pipeline::{Reason, Stage, Verdict};

use crate::bench::{Bench, day, id, now, permanent, request};

fn bench_of_ten_days() -> Bench {
    Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() })
}

fn refetch(number: u128, from: &str, to: &str) -> RangeRequest {
    RangeRequest { refetch: true, ..request(number, from, to) }
}

impl Bench {
    /// Runs a request for all of January, to its end.
    fn cover_january(&mut self) {
        self.hold(&request(1, "2024-01-01", "2024-01-31"), now(0));
        self.work_all(now(2));
        self.started.clear();
        self.outputs = crate::bench::Outputs::default();
    }

    /// The covered ranges of the last record, as days of January, and the number of the backfill that it notes.
    fn last_coverage(&self) -> (Vec<(i64, i64)>, Option<RefetchAttempt>) {
        let last = self.outputs.coverage.last().expect("a record of the coverage");
        let date = |micros: i64| (micros - day("2024-01-01")).div_euclid(86_400_000_000) + 1;
        let ranges = last.intervals.iter().map(|span| (date(span.start), date(span.end)));
        (ranges.collect(), last.refetching.clone())
    }

    /// A stage that restores what this one has written to the coverage table.
    fn restarted(&self) -> Bench {
        self.restored_in(bench_of_ten_days())
    }

    fn restored_in(&self, mut next: Bench) -> Bench {
        for (offset, record) in (0..).zip(&self.outputs.coverage_records) {
            next.stored(record, offset);
        }
        next.table_reaches(100);
        next.table_ends_at(100);
        next
    }
}

fn noted(number: u128, attempt: i32) -> Option<RefetchAttempt> {
    Some(RefetchAttempt { backfill_id: id(number), attempt })
}

#[test]
fn refetch_after_a_success_writes_each_bar_again() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-05", "2024-01-20"), now(3));
    bench.work_all(now(5));

    assert_eq!(bench.outputs.emissions[0], [Topic::CoverageChanged]);
    assert_eq!(bench.outputs.emissions.last().unwrap(), &[Topic::RangeCompleted, Topic::CoverageChanged]);
    let first = &bench.outputs.coverage[0];
    assert_eq!(first.refetching, noted(2, 1));
    let spans: Vec<_> = first.intervals.iter().map(|span| (span.start, span.end)).collect();
    let around = [(day("2024-01-01"), day("2024-01-05") - 1), (day("2024-01-20") + 1, day("2024-01-31"))];
    assert_eq!(spans, around);
    assert!(bench.outputs.coverage[1..3].iter().all(|change| change.refetching == noted(2, 1)));
    assert_eq!(bench.last_coverage(), (vec![(1, 31)], None));
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["market_data"], end.skipped.len()), (true, 16, 0));
    assert_eq!((bench.started.len(), bench.outputs.bars.len()), (2, 16));
}

#[test]
fn refetch_is_a_duplicate_of_a_refetch_only() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-01", "2024-01-31"), now(3));
    assert!(matches!(
        bench.request(&refetch(2, "2024-01-01", "2024-01-31"), now(4)),
        Verdict::Drop(Reason("repeated"))
    ));
    bench.work_all(now(5));
    assert!(matches!(bench.request(&refetch(3, "2024-01-01", "2024-01-31"), now(6)), Verdict::Emit(_)));
    assert_eq!(bench.outputs.failed[0].error_class, BackfillErrorClass::Duplicate);
    assert_eq!(bench.outputs.bars.len(), 31);
}

#[test]
fn restart_between_chunks_continues_a_refetch() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-31"), now(0));
    bench.work_all(now(2));
    bench.hold(&refetch(2, "2024-01-01", "2024-01-31"), now(3));
    bench.tick(now(5));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(5));
    assert_eq!(bench.last_coverage(), (vec![(1, 10)], noted(2, 1)));

    let mut next = bench.restarted();
    next.hold(&refetch(2, "2024-01-01", "2024-01-31"), now(6));
    next.work_all(now(8));
    assert_eq!(next.outputs.bars.first().map(|bar| bar.open_time), Some(day("2024-01-11")));
    assert_eq!((next.started.len(), next.outputs.bars.len()), (3, 21));
    let end = &next.outputs.completed[0];
    assert_eq!((end.attempt, end.success, end.records["market_data"]), (1, true, 21));
    assert_eq!(next.last_coverage(), (vec![(1, 31)], None));

    // After its end, the same request is another attempt and fetches all again.
    let mut later = next.restarted();
    later.hold(&RangeRequest { attempt: 2, ..refetch(2, "2024-01-01", "2024-01-31") }, now(9));
    later.work_all(now(11));
    assert_eq!(later.outputs.bars.len(), 31);
}

#[test]
fn redelivered_refetch_takes_its_range_out_once() {
    let mut bench = bench_of_ten_days();
    bench.hold(&request(1, "2024-01-01", "2024-01-31"), now(0));
    bench.work_all(now(2));
    bench.hold(&refetch(2, "2024-01-01", "2024-01-31"), now(3));
    bench.tick(now(5));
    assert_eq!(bench.last_coverage(), (vec![], noted(2, 1)));
    let mut next = bench.restarted();
    next.hold(&refetch(2, "2024-01-01", "2024-01-31"), now(6));
    next.tick(now(8));
    assert!(next.outputs.emissions.is_empty() && next.take_jobs().len() == 1);

    // A later attempt, or another backfill if the noted one was not redelivered, takes its range out itself.
    for (number, attempt) in [(3, 1), (2, 2)] {
        let mut next = bench.restarted();
        next.catch_up();
        next.hold(&RangeRequest { attempt, ..refetch(number, "2024-01-01", "2024-01-31") }, now(6));
        next.tick(now(8));
        assert_eq!(next.last_coverage(), (vec![], noted(number, attempt)));
    }
}

#[test]
fn refetches_of_a_series_follow_each_other() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-01", "2024-01-10"), now(3));
    bench.hold(&refetch(3, "2024-01-06", "2024-01-15"), now(3));
    bench.hold(&request(4, "2024-01-02", "2024-01-30"), now(3));
    bench.work_until_all_ended(5);
    let notes: Vec<_> = bench.outputs.coverage.iter().map(|change| change.refetching.clone()).collect();
    assert_eq!(notes, [noted(2, 1), noted(2, 1), None, noted(3, 1), noted(3, 1), None]);
    assert_eq!(bench.outputs.bars.len(), 20, "each range once");
    assert!(bench.outputs.completed.iter().all(|end| end.success));
    assert_eq!(bench.outputs.ends(), [(id(2), 1), (id(4), 1), (id(3), 1)]);
}

#[test]
fn noted_refetch_continues_before_another_one() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-01", "2024-01-20"), now(3));
    bench.tick(now(5));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(5));

    let mut next = bench.restarted();
    next.hold(&refetch(3, "2024-01-06", "2024-01-25"), now(6));
    next.tick(now(8));
    assert!(next.outputs.emissions.is_empty(), "the noted request may still be redelivered");
    next.hold(&refetch(2, "2024-01-01", "2024-01-20"), now(9));
    next.catch_up();
    next.work_until_all_ended(11);
    assert_eq!(next.outputs.ends(), [(id(2), 1), (id(3), 1)]);
    assert_eq!(next.outputs.bars.len(), 10 + 20, "the rest of the first, and the second");
    assert_eq!(next.last_coverage(), (vec![(1, 31)], None));
}

#[test]
fn full_stage_begins_a_refetch_before_the_noted_one() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-01", "2024-01-20"), now(3));
    bench.tick(now(5));

    let section = ExecutorSection { requests_max: 2, day_bars_chunk_days: 10, ..ExecutorSection::default() };
    let mut next = bench.restored_in(Bench::with(section));
    next.hold(&refetch(3, "2024-01-06", "2024-01-25"), now(6));
    next.tick(now(8));
    assert!(next.outputs.emissions.is_empty() && !next.stage.is_full(0));
    next.hold(&refetch(4, "2024-01-07", "2024-01-25"), now(9));
    next.work_until_all_ended(11);
    assert_eq!(next.outputs.ends(), [(id(3), 1), (id(4), 1)]);
}

#[test]
fn cancelled_refetch_lets_the_next_one_begin() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.hold(&refetch(2, "2024-01-01", "2024-01-20"), now(3));
    bench.hold(&refetch(3, "2024-01-06", "2024-01-25"), now(3));
    bench.tick(now(5));
    let cancel = RangeRequest { cancel: true, ..refetch(2, "2024-01-01", "2024-01-20") };
    bench.hold(&cancel, now(6));
    bench.work_until_all_ended(8);
    assert_eq!(
        bench.outputs.completed.iter().map(|end| end.backfill_id.clone()).collect::<Vec<_>>(),
        [id(3)]
    );
}

#[test]
fn failed_refetch_leaves_its_range_to_the_next_request() {
    let mut bench = bench_of_ten_days();
    bench.cover_january();
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.hold(&refetch(2, "2024-01-05", "2024-01-06"), now(3));
    bench.work_all(now(5));
    assert_eq!(bench.outputs.failed[0].error_class, BackfillErrorClass::Refused);
    let (ranges, note) = bench.last_coverage();
    assert_eq!((ranges.len(), note), (2, None));
    bench.hold(&request(3, "2024-01-04", "2024-01-07"), now(6));
    bench.work_all(now(8));
    assert_eq!(bench.outputs.completed[0].records["market_data"], 2);
    assert_eq!(bench.last_coverage(), (vec![(1, 31)], None));
}
