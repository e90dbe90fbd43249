//! The horizon of a source: what it does not have is not covered, ends the request with an error, and is fetched again.

use backfill::config::ExecutorSection;
use contracts::{BackfillErrorClass, RangeRequest};
use domain::Timestamp;

use crate::bench::{Bench, day, id, now, permanent, request, transient, unknown_symbol};

impl Bench {
    fn last_bar(&self, date: &str) {
        *self.source.last_open.lock().expect("an intact lock") = Some(Timestamp::from_micros(day(date)));
    }

    fn run(&mut self, request: &RangeRequest, second: u64) {
        self.hold(request, now(second));
        self.work_all(now(second + 2));
    }

    /// The covered ranges after the last change.
    fn covered(&self) -> Vec<(i64, i64)> {
        let last = self.outputs.coverage.last().expect("a change of the coverage");
        last.intervals.iter().map(|span| (span.start, span.end)).collect()
    }
}

#[test]
fn unknown_symbol_fails_and_is_fetched_when_the_source_has_it() {
    let mut bench = Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() });
    bench.source.errors.lock().unwrap().push_back(unknown_symbol());
    bench.run(&request(1, "2023-06-01", "2023-06-30"), 0);
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable, end.attempts), (BackfillErrorClass::UnknownSymbol, false, 1));
    let text = "market_data 1day from 2023-06-01T04:00:00Z to 2023-06-30T04:00:00Z: \
                source script does not have symbol AAPL: not listed";
    assert_eq!(end.error, text);
    assert_eq!((bench.started.len(), bench.outputs.coverage.len()), (1, 0), "later chunks are not fetched");

    bench.run(&request(2, "2023-06-05", "2023-06-20"), 10);
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.records["market_data"], end.skipped.len()), (true, 16, 0));
    assert_eq!(bench.ended(), ["completed none 1", "failed unknown_symbol 1"]);
}

#[test]
fn range_after_the_last_bar_is_not_covered_and_fetched_later() {
    let mut bench = Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() });
    bench.last_bar("2023-06-15");
    bench.run(&request(1, "2023-06-01", "2023-07-30"), 0);
    let end = &bench.outputs.completed[0];
    assert_eq!((end.success, end.partial, end.records["market_data"]), (false, true, 15));
    assert_eq!((end.fetched[0].start, end.fetched[0].end), (day("2023-06-01"), day("2023-06-15")));
    let text = "not_yet: market_data 1day from 2023-06-15T04:00:00.000001Z to 2023-07-30T04:00:00Z: \
                source script has no bars from 2023-06-15T04:00:00.000001Z on yet";
    assert_eq!(end.errors, [text]);
    assert_eq!(bench.covered(), [(day("2023-06-01"), day("2023-06-15"))]);
    assert_eq!(bench.outputs.progress.last().map(|it| it.chunk_end), Some(day("2023-06-15")));
    assert_eq!(bench.started.len(), 2, "chunks after the horizon are not fetched");

    bench.last_bar("2023-08-01");
    bench.run(&request(1, "2023-06-01", "2023-07-30"), 10);
    let end = &bench.outputs.completed[1];
    assert_eq!((end.attempt, end.success, end.records["market_data"]), (2, true, 45));
    assert_eq!(bench.covered(), [(day("2023-06-01"), day("2023-07-30"))]);
    assert_eq!(bench.outputs.bars.len(), 60, "each bar once");
    assert_eq!(bench.ended(), ["completed none 1", "partial not_yet 1"]);
}

#[test]
fn range_after_the_last_bar_fails_and_may_be_retried() {
    let mut bench = Bench::new();
    bench.last_bar("2023-06-01");
    bench.run(&request(1, "2023-06-02", "2023-06-30"), 0);
    let end = &bench.outputs.failed[0];
    assert_eq!((end.error_class, end.retryable), (BackfillErrorClass::NotYet, true));
    assert_eq!((end.attempts, bench.outputs.coverage.len()), (1, 0));
    assert!(end.error.contains("has no bars from 2023-06-01T04:00:00.000001Z on yet"), "{}", end.error);
    assert_eq!(bench.ended(), ["failed not_yet 1"]);
}

#[test]
fn weekend_after_the_last_bar_is_complete_but_not_covered() {
    let mut bench = Bench::new();
    // A Friday; the range ends on Sunday.
    bench.last_bar("2023-06-16");
    bench.run(&request(1, "2023-06-12", "2023-06-18"), 0);
    let end = &bench.outputs.completed[0];
    assert!(end.success && end.errors.is_empty(), "{end:?}");
    assert_eq!(bench.covered(), [(day("2023-06-12"), day("2023-06-16"))]);
}

#[test]
fn request_before_the_horizon_is_not_affected_by_its_fetch() {
    let mut bench = Bench::new();
    bench.last_bar("2023-06-15");
    bench.hold(&request(1, "2023-06-01", "2023-06-10"), now(0));
    bench.hold(&request(2, "2023-06-01", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let [early, late] = &bench.outputs.completed[..] else { panic!("{:?}", bench.outputs.ends()) };
    assert_eq!((early.backfill_id.clone(), early.success, early.error_count), (id(1), true, 0));
    assert_eq!((late.backfill_id.clone(), late.partial, late.error_count), (id(2), true, 1));
}

/// Runs the requests together, or each in a stage of its own, and returns their ends by number.
fn ends_of(requests: &[RangeRequest], together: bool) -> Vec<String> {
    let section = || ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() };
    let groups: Vec<&[RangeRequest]> = if together { vec![requests] } else { requests.chunks(1).collect() };
    let mut ends = Vec::new();
    for group in groups {
        let mut bench = Bench::with(section());
        // A Friday.
        bench.last_bar("2023-06-16");
        for request in group {
            bench.hold(request, now(0));
        }
        bench.work_all(now(2));
        let completed = bench.outputs.completed.iter().map(|end| {
            let kind = if end.partial { "partial" } else { "complete" };
            format!("{} {kind} {:?} {:?}", end.backfill_id, end.records, end.errors)
        });
        let failed = bench.outputs.failed.iter().map(|end| {
            format!("{} failed {} {} {}", end.backfill_id, end.error_class, end.attempts, end.error)
        });
        ends.extend(completed.chain(failed));
    }
    ends.sort_unstable();
    ends
}

#[test]
fn coalesced_requests_end_as_each_would_alone() {
    let requests = [
        request(1, "2023-06-12", "2023-06-15"),
        // Ends on the Sunday after the horizon, in which no bar is expected.
        request(2, "2023-06-12", "2023-06-18"),
        request(3, "2023-06-12", "2023-06-30"),
        // After the horizon, in the chunk that begins before it.
        request(4, "2023-06-19", "2023-06-20"),
        // In later chunks of the others.
        request(5, "2023-06-26", "2023-06-30"),
    ];
    let together = ends_of(&requests, true);
    assert_eq!(together, ends_of(&requests, false));
    let kinds: Vec<&str> = together.iter().filter_map(|end| end.split(' ').nth(1)).collect();
    assert_eq!(kinds, ["complete", "complete", "partial", "failed", "failed"], "{together:#?}");
    assert!(together[3].contains(" failed not_yet 1 market_data 1day from 2023-06-19"), "{together:#?}");
}

#[test]
fn unknown_symbol_ends_coalesced_requests_after_one_call() {
    let mut bench = Bench::with(ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() });
    bench.source.errors.lock().unwrap().push_back(unknown_symbol());
    bench.hold(&request(1, "2023-06-01", "2023-06-02"), now(0));
    bench.hold(&request(2, "2023-06-02", "2023-06-30"), now(0));
    bench.hold(&request(3, "2023-06-26", "2023-06-30"), now(0));
    bench.work_all(now(2));
    let ends: Vec<_> = bench.outputs.failed.iter().map(|end| (end.error_class, end.attempts)).collect();
    assert_eq!(ends, [(BackfillErrorClass::UnknownSymbol, 1); 3]);
}

#[test]
fn ends_are_counted_by_outcome_and_class() {
    let mut bench = Bench::new();
    bench.run(&request(1, "2023-06-01", "2023-06-02"), 0);
    let verdict = bench.request(&request(2, "2023-06-01", "2023-06-02"), now(5));
    assert!(matches!(verdict, pipeline::Verdict::Emit(_)), "{verdict:?}");
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.run(&request(3, "2023-07-03", "2023-07-05"), 10);
    bench.source.errors.lock().unwrap().extend((0..3).map(|_| transient()));
    bench.hold(&request(4, "2023-08-01", "2023-08-02"), now(20));
    bench.work_until_all_ended(22);
    let rejected = format!("failed {} 1", BackfillErrorClass::Refused);
    assert_eq!(
        bench.ended(),
        ["completed none 1", "failed duplicate 1", "failed exhausted 1", rejected.as_str()]
    );
}
