//! Laws of the executor: fetched ranges, emissions per chunk, and the end of each request.

mod bar_files;
mod bench;
mod breaker;
mod cancellation;
mod coverage;
mod deletions;
mod draining;
mod ends;
mod files_page;
mod horizon;
mod keeper;
mod keeper_live;
mod keeper_live_restarts;
mod keeper_restarts;
mod keeper_restated;
mod other_data;
mod pacing;
mod refetch;
mod rejected_rows;
mod retries;
mod scaling;
mod script;

use backfill::config::ExecutorSection;
use bench::{Bench, day, id, now, request};
use contracts::Topic;

#[test]
fn overlapping_requests_share_one_fetch_and_end_separately() {
    let mut bench = Bench::new();
    for number in 0..5_u128 {
        let (from, to) = (format!("2024-01-{:02}", 2 + number * 5), format!("2024-01-{:02}", 9 + number * 5));
        bench.hold(&request(number, &from, &to), now(number.min(1).try_into().unwrap()));
    }
    bench.work_all(now(1));
    assert!(bench.started.is_empty(), "requests gather for 2 s");
    bench.work_all(now(2));

    let [job] = &bench.started[..] else { panic!("{:?}", bench.started) };
    assert_eq!(
        (job.range.start().micros(), job.range.last().micros()),
        (day("2024-01-02"), day("2024-01-29"))
    );
    assert_eq!(bench.outputs.bars.len(), 28, "each bar once");
    assert_eq!(bench.outputs.completed.len(), 5);
    for (number, end) in (0..).zip(&bench.outputs.completed) {
        assert_eq!((end.backfill_id.clone(), end.attempt, end.success), (id(number), 1, true));
        assert_eq!(end.correlation_id, Some(format!("cause {number}")));
        let requested = request(number, "2024-01-02", "2024-01-03");
        let first_day = 2 + number * 5;
        let (from, to) = (format!("2024-01-{first_day:02}"), format!("2024-01-{:02}", first_day + 7));
        assert_eq!((end.layer, end.records["market_data"]), (requested.layer, 8));
        let [range] = &end.fetched[..] else { panic!("{:?}", end.fetched) };
        assert_eq!((range.start, range.end), (day(&from), day(&to)), "its own range, not the union");
    }
    assert_eq!((bench.resolved().len(), bench.held().len()), (5, 0), "each request is resolved once");
}

#[test]
fn chunk_is_one_emission_of_bars_progress_and_coverage() {
    let section = ExecutorSection { day_bars_chunk_days: 10, ..ExecutorSection::default() };
    let mut bench = Bench::with(section);
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.work_all(now(2));
    assert_eq!(bench.started.len(), 3);
    let of_bars = |bars: usize| {
        let mut topics = vec![Topic::BarClosed; bars];
        topics.extend([Topic::RangeProgressed, Topic::CoverageChanged]);
        topics
    };
    let expected = [of_bars(10), of_bars(10), of_bars(5), vec![Topic::RangeCompleted]];
    assert_eq!(bench.outputs.emissions, expected);
    for (done, progress) in (1..).zip(&bench.outputs.progress) {
        assert_eq!((progress.done, progress.total, progress.backfill_id.clone()), (done, 3, id(1)));
        assert_eq!((progress.source.as_str(), progress.timeframe.as_str()), ("script", "1day"));
    }
    let whole: Vec<_> = bench.outputs.coverage.iter().map(|change| change.intervals.len()).collect();
    assert_eq!(whole, [1, 1, 1], "the whole set each time, with adjacent intervals merged");
    let last = bench.outputs.coverage[2].intervals[0];
    assert_eq!((last.start, last.end), (day("2024-01-01"), day("2024-01-25")));
    let bar = &bench.outputs.bars[1];
    assert_eq!((bar.open_time, bar.backfilled, bar.source.as_str()), (day("2024-01-02"), true, "script"));
    assert!(
        bar.occurred_at > bar.open_time && bar.occurred_at < day("2024-01-03"),
        "the bar closed on that day"
    );
}

#[test]
fn full_stage_is_full_until_half_of_its_requests_have_ended() {
    let section = ExecutorSection { requests_max: 4, ..ExecutorSection::default() };
    let mut bench = Bench::with(section);
    for number in 0..4 {
        assert!(!stage_is_full(&bench));
        bench.hold(&request(number, "2024-01-02", "2024-01-03"), now(0));
    }
    assert!(stage_is_full(&bench));
    bench.work_all(now(2));
    assert!(!stage_is_full(&bench));
    bench.table_ends_at(9);
    for number in 4..8 {
        bench.hold(&request(number, "2024-02-02", "2024-02-03"), now(3));
    }
    assert!(stage_is_full(&bench), "requests that wait for their coverage count as well");
}

fn stage_is_full(bench: &Bench) -> bool {
    pipeline::Stage::is_full(&bench.stage, 0)
}

#[test]
fn removed_partition_has_no_state_and_its_fetch_stops() {
    let section = ExecutorSection { day_bars_chunk_days: 10, running_max: 1, ..ExecutorSection::default() };
    let mut bench = Bench::with(section);
    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.reassign(now(3));
    bench.work(&jobs[0], now(3));
    assert!(
        bench.outputs.emissions.is_empty() && bench.take_jobs().is_empty(),
        "no outputs, no further chunk"
    );

    bench.hold(&request(1, "2024-01-01", "2024-01-25"), now(4));
    bench.work_all(now(6));
    assert_eq!(bench.outputs.ends(), [(id(1), 1)], "processed as new, with a free slot");
    assert_eq!(bench.outputs.bars.len(), 25);
}

#[test]
fn waiting_fetch_of_a_removed_partition_frees_its_slot() {
    let mut bench = Bench::with(ExecutorSection { running_max: 1, ..ExecutorSection::default() });
    bench.source.errors.lock().unwrap().push_back(bench::transient());
    bench.hold(&request(1, "2024-01-02", "2024-01-03"), now(0));
    bench.tick(now(2));
    let jobs = bench.take_jobs();
    bench.work(&jobs[0], now(2));
    bench.reassign(now(2));
    bench.hold(&request(2, "2024-01-02", "2024-01-03"), now(2));
    bench.work_all(now(4));
    assert_eq!(bench.outputs.ends(), [(id(2), 1)]);
}

#[test]
fn requests_are_fetched_by_priority() {
    let mut bench = Bench::with(ExecutorSection { running_max: 1, ..ExecutorSection::default() });
    for (number, symbol, priority) in [(1, "AAPL", 5), (2, "MSFT", 9), (3, "IBM", 7)] {
        let request = request(number, "2024-01-02", "2024-01-03");
        bench.hold(&contracts::RangeRequest { symbol: symbol.into(), priority, ..request }, now(0));
    }
    bench.work_all(now(2));
    let order: Vec<_> = bench.started.iter().map(|job| job.symbol.to_string()).collect();
    assert_eq!(order, ["MSFT", "IBM", "AAPL"]);
}
