//! The keeper fetches the newest sessions again, once a day, if it is configured to.

use backfill::config::KeeperSection;
use contracts::{BackfillTrigger, CoverageChange, Span, Topic};
use domain::Timeframe;

use crate::bench::{Bench, day, now, permanent};
use crate::keeper::series;
use crate::keeper_live::{days_covered, live};

/// 04:00 in New York on 2024-07-11, in seconds after the start.
const FOUR: u64 = 12 * 3_600;
const DAY: u64 = 24 * 3_600;

fn bench(restated_sessions: u32, covered: &CoverageChange) -> Bench {
    let section = KeeperSection { restated_sessions, ..KeeperSection::default() };
    let mut bench = Bench::keeping_with(section, &[Timeframe::Day1]);
    bench.table_record(covered);
    bench.assign_loaded(now(0));
    bench
}

/// The requested ranges by their dates, and whether each is fetched again.
fn requested(bench: &Bench) -> Vec<(i64, i64, bool)> {
    bench.outputs.requested.iter().map(|request| (request.start, request.end, request.refetch)).collect()
}

#[test]
fn sessions_before_the_newest_are_fetched_again() {
    let mut bench = bench(3, &days_covered());
    bench.tick(now(FOUR + 60));
    let emission = [Topic::RangeRequested, Topic::RangeRequested, Topic::CoverageChanged];
    assert_eq!(bench.outputs.emissions, [emission], "one emission");
    let hole = (day("2024-07-10"), day("2024-07-11") - 1, false);
    // Monday and Tuesday: the third session is the hole.
    let restated = (day("2024-07-08"), day("2024-07-10") - 1, true);
    assert_eq!(requested(&bench), [hole, restated]);
    let request = bench.outputs.requested[1].clone();
    assert_eq!((request.trigger, request.attempt, request.priority), (BackfillTrigger::Gap, 1, 1));
    for request in bench.outputs.requested.clone() {
        bench.hold(&request, now(FOUR + 61));
    }
    bench.work_until_all_ended(FOUR + 61);
    let bars = |date: &str| bench.outputs.bars.iter().filter(|bar| bar.open_time == day(date)).count();
    let dates = ["2024-07-05", "2024-07-08", "2024-07-09", "2024-07-10"];
    assert_eq!(dates.map(bars), [0, 1, 1, 1]);
    let whole = Span { start: day("2024-05-01"), end: day("2024-07-11") - 1 };
    let last = bench.outputs.coverage.last().unwrap();
    assert_eq!((last.intervals.as_slice(), last.refetching.as_ref()), (&[whole][..], None));
    for second in (FOUR + 700..DAY).step_by(600) {
        bench.tick(now(second));
    }
    assert_eq!(requested(&bench).len(), 2, "once a day");
}

#[test]
fn live_session_is_fetched_again_with_those_before() {
    let mut bench = bench(2, &days_covered());
    bench.bar(&live("1day", day("2024-07-10")), 60);
    bench.tick(now(FOUR + 60));
    let restated = (day("2024-07-09"), day("2024-07-11") - 1, true);
    assert_eq!(requested(&bench), [restated]);
    bench.tick(now(FOUR + 120));
    assert_eq!(requested(&bench), [restated]);
}

#[test]
fn nothing_is_fetched_again_by_default() {
    let mut bench = bench(0, &days_covered());
    bench.bar(&live("1day", day("2024-07-10")), 60);
    bench.tick(now(FOUR + 60));
    assert!(requested(&bench).is_empty());
}

#[test]
fn older_holes_let_nothing_be_fetched_again() {
    let spans = [("2024-05-01", "2024-05-09"), ("2024-05-14", "2024-07-09")];
    let mut bench = bench(3, &series(&spans, Some("2024-05-01")));
    bench.tick(now(0));
    let hole = (day("2024-05-09") + 1, day("2024-05-14") - 1, false);
    assert_eq!(requested(&bench), [hole]);
}

#[test]
fn failed_refetch_is_requested_again_as_a_hole_after_days() {
    let mut bench = bench(2, &days_covered());
    bench.bar(&live("1day", day("2024-07-10")), 60);
    bench.source.errors.lock().unwrap().push_back(permanent());
    bench.tick(now(FOUR + 60));
    let restated = bench.outputs.requested[0].clone();
    bench.hold(&restated, now(FOUR + 61));
    bench.work_until_all_ended(FOUR + 61);
    for second in (FOUR + 700..FOUR + DAY).step_by(600) {
        bench.tick(now(second));
    }
    assert_eq!((bench.outputs.failed.len(), bench.outputs.requested.len()), (1, 1));
    bench.tick(now(FOUR + 2 * DAY + 120));
    let again = bench.outputs.requested.iter().find(|request| request.attempt == 2).unwrap();
    assert_eq!((again.start, again.refetch), (restated.start, false));
}
