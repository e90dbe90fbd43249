//! The keeper: holes of wanted series are requested once, and nothing else is.

use std::collections::BTreeSet;

use backfill::metric_names as names;
use backfill::stage::executor::{INPUT, KEEPER_SOURCE, OPEN_REQUESTS_MAX};
use contracts::{
    BackfillTrigger, CoverageChange, DataKind, RangeRequest, RequestedSpan, Span, Topic, WantedSeries, ids,
};
use domain::Timeframe;
use pipeline::{Stage, Verdict};
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, now, permanent, request};

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// The state of the day bars of AAPL: covered from the first to the last bar of each span, and wanted from this day on.
pub(crate) fn series(spans: &[(&str, &str)], wanted_from: Option<&str>) -> CoverageChange {
    CoverageChange {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        data_type: DataKind::MarketData,
        timeframe: "1day".into(),
        intervals: spans.iter().map(|(first, last)| Span { start: day(first), end: day(last) }).collect(),
        wanted: wanted_from.map(|from| WantedSeries {
            layer: 0,
            from: day(from),
            at: START_MICROS - DAY_MICROS,
        }),
        asked: Vec::new(),
        refetching: None,
    }
}

/// A series with holes on Friday 2024-05-10 and Monday, on 2024-06-03 and 04, and on the last two final days, 2024-07-08 and 09.
pub(crate) fn series_with_holes() -> CoverageChange {
    let spans = [("2024-05-01", "2024-05-09"), ("2024-05-14", "2024-05-31"), ("2024-06-05", "2024-07-05")];
    series(&spans, Some("2024-05-01"))
}

/// The ranges of [`series_with_holes`], from the coverage before a hole until the one after it.
pub(crate) fn holes() -> [(i64, i64); 3] {
    let between = |before, after| (day(before) + 1, day(after) - 1);
    [
        between("2024-05-09", "2024-05-14"),
        between("2024-05-31", "2024-06-05"),
        between("2024-07-05", "2024-07-10"),
    ]
}

fn bench_of(change: &CoverageChange) -> Bench {
    let mut bench = Bench::keeping(&[Timeframe::Day1]);
    bench.table_record(change);
    bench.assign_loaded(now(0));
    bench
}

fn ranges(requests: &[RangeRequest]) -> Vec<(i64, i64)> {
    requests.iter().map(|request| (request.start, request.end)).collect()
}

/// Processes the originated requests from this one on until all have ended.
fn serve(bench: &mut Bench, from: usize, second: u64) {
    let requests = bench.outputs.requested[from..].to_vec();
    for request in &requests {
        bench.hold(request, now(second));
    }
    bench.work_until_all_ended(second);
}

#[test]
fn holes_are_requested_once_and_filled_once() {
    let mut bench = bench_of(&series_with_holes());
    bench.tick(now(0));
    let topics = [vec![Topic::RangeRequested; 3], vec![Topic::CoverageChanged]].concat();
    assert_eq!(bench.outputs.emissions, [topics], "one emission");
    assert_eq!(ranges(&bench.outputs.requested), holes());
    for request in &bench.outputs.requested {
        let RangeRequest { source, trigger, layer, attempt, priority, .. } = request;
        let fields = (source.as_str(), *trigger, *layer, *attempt, *priority);
        assert_eq!(fields, (KEEPER_SOURCE, BackfillTrigger::Gap, 0, 1, 1));
    }
    let noted: Vec<(i64, i64)> =
        bench.outputs.coverage[0].asked.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(noted, holes());
    let open = bench.note(names::KEEPER_OPEN_REQUESTS.name);
    assert_eq!((bench.note(names::KEEPER_REQUESTS.name), open), (3, 3));

    serve(&mut bench, 0, 61);
    for second in [700, 761, 822] {
        bench.tick(now(second));
    }
    assert_eq!((bench.outputs.requested.len(), bench.outputs.completed.len()), (3, 3));
    let sessions = ["2024-05-10", "2024-05-13", "2024-06-03", "2024-06-04", "2024-07-08", "2024-07-09"];
    for session in sessions {
        let of_session = bench.outputs.bars.iter().filter(|bar| bar.open_time == day(session));
        assert_eq!(of_session.count(), 1, "{session}");
    }
    let last = bench.outputs.coverage.last().unwrap();
    assert_eq!((last.asked.len(), last.intervals.len(), last.wanted), (0, 1, series_with_holes().wanted));
    assert_eq!(bench.note(names::KEEPER_OPEN_REQUESTS.name), 0);
}

#[test]
fn failed_hole_is_requested_again_after_a_day() {
    let mut bench = bench_of(&series_with_holes());
    bench.tick(now(0));
    bench.source.errors.lock().unwrap().extend((0..3).map(|_| permanent()));
    serve(&mut bench, 0, 1);
    let filled = bench.outputs.failed.iter().filter(|failed| !failed.retryable).count();
    assert_eq!((filled, bench.outputs.requested.len()), (3, 3));
    // The newest hole may be requested again after two days, its new day as soon as it is final.
    bench.tick(now(86_300));
    let [may, june, newest] = holes();
    let new_day = (day("2024-07-10"), day("2024-07-11") - 1);
    assert_eq!(ranges(&bench.outputs.requested[3..]), [new_day]);
    bench.tick(now(86_400));
    assert_eq!(ranges(&bench.outputs.requested[4..]), [may, june]);
    bench.tick(now(2 * 86_400));
    let next_day = (day("2024-07-11"), day("2024-07-12") - 1);
    assert_eq!(ranges(&bench.outputs.requested[6..]), [may, june, newest, next_day]);
    let attempts: Vec<i32> = bench.outputs.requested[3..].iter().map(|request| request.attempt).collect();
    assert_eq!(attempts, [1, 2, 2, 3, 3, 2, 1]);
}

#[test]
fn series_that_nothing_wants_is_not_requested() {
    let spans = [("2024-05-01", "2024-05-09"), ("2024-06-05", "2024-07-05")];
    let mut bench = bench_of(&series(&spans, None));
    bench.hold(&request(1, "2005-03-14", "2005-03-15"), now(0));
    bench.work_until_all_ended(0);
    bench.tick(now(700));
    assert_eq!(bench.outputs.completed.len(), 1);
    assert_eq!((bench.outputs.requested.len(), bench.outputs.coverage[0].wanted), (0, None));
}

#[test]
fn manual_day_does_not_extend_the_wanted_history() {
    let mut bench = bench_of(&series_with_holes());
    bench.hold(&request(1, "2005-03-14", "2005-03-15"), now(0));
    bench.work_until_all_ended(0);
    bench.tick(now(700));
    let covered = bench.outputs.coverage.last().unwrap();
    assert!(covered.intervals[0].start == day("2005-03-14"), "{:?}", covered.intervals);
    assert_eq!(ranges(&bench.outputs.requested), holes());
}

#[test]
fn wanted_series_is_noted_when_its_request_ends() {
    let mut bench = Bench::keeping(&[Timeframe::Day1]);
    bench.assign_loaded(now(0));
    let qualified = |number, seconds: i64| RangeRequest {
        trigger: BackfillTrigger::Qualified,
        occurred_at: START_MICROS + seconds * 1_000_000,
        // Another identity each: a repeated request would be a duplicate.
        end: day("2024-07-09") + seconds,
        ..request(number, "2024-07-01", "2024-07-09")
    };
    let wanted = |seconds: i64| WantedSeries {
        layer: 0,
        from: day("2024-07-01"),
        at: START_MICROS + seconds * 1_000_000,
    };
    bench.hold(&qualified(1, 1), now(1));
    bench.work_until_all_ended(1);
    let ended = bench.outputs.emissions.last().unwrap();
    assert_eq!(ended, &[Topic::RangeCompleted, Topic::CoverageChanged]);
    assert_eq!(bench.outputs.coverage.last().unwrap().wanted, Some(wanted(1)));

    bench.hold(&RangeRequest { end: day("2024-07-09"), ..qualified(2, 2) }, now(20));
    bench.work_until_all_ended(20);
    assert_eq!(bench.outputs.completed[1].fetched.len(), 0, "all is covered");
    assert_eq!(bench.outputs.coverage.last().unwrap().wanted, Some(wanted(2)));

    let written = bench.outputs.coverage.len();
    bench.hold(&RangeRequest { end: day("2024-07-08"), ..qualified(3, 0) }, now(40));
    bench.work_until_all_ended(40);
    assert_eq!(bench.outputs.coverage.len(), written, "an older qualification changes nothing");
    assert_eq!(bench.outputs.requested.len(), 0);
}

#[test]
fn keeper_starts_when_the_coverage_is_restored() {
    let mut bench = Bench::keeping(&[Timeframe::Day1]);
    let input = bench.input(INPUT, bench.partition());
    bench.table_record(&series(&[], Some("2024-05-01")));
    bench.assign(&[input], now(0));
    bench.load(Topic::BarClosed);
    bench.stage.reached_end(input);
    bench.tick(now(1));
    assert_eq!(bench.outputs.requested.len(), 0);
    bench.table_record(&series_with_holes());
    bench.load(Topic::CoverageChanged);
    bench.tick(now(2));
    assert_eq!(ranges(&bench.outputs.requested), holes());
}

#[test]
fn draining_partition_requests_nothing() {
    let mut bench = bench_of(&series_with_holes());
    bench.drain(now(0));
    bench.tick(now(1));
    assert_eq!(bench.outputs.requested.len(), 0);
}

#[test]
fn series_is_kept_for_a_month_after_it_was_wanted() {
    let mut change = series_with_holes();
    for (age_days, requested) in [(31, 0), (30, 3)] {
        change.wanted =
            change.wanted.map(|wanted| WantedSeries { at: START_MICROS - age_days * DAY_MICROS, ..wanted });
        let mut bench = bench_of(&change);
        bench.tick(now(0));
        assert_eq!(bench.outputs.requested.len(), requested, "{age_days} days");
    }
}

#[test]
fn hole_that_a_held_request_fetches_is_not_requested() {
    let mut bench = bench_of(&series_with_holes());
    let manual = request(1, "2024-05-13", "2024-05-13");
    bench.hold(&RangeRequest { end: manual.start + 1, ..manual }, now(0));
    assert_eq!(ranges(&bench.outputs.requested), holes()[1..]);
}

#[test]
fn deleted_series_is_not_kept() {
    let mut bench = bench_of(&series_with_holes());
    bench.tombstone("AAPL|market_data|1day");
    bench.tick(now(0));
    assert_eq!(bench.outputs.requested.len(), 0);
}

/// Hour bars of the symbols of one partition, with a hole of three hours in each session of the last months.
fn hours_with_many_holes(bench: &Bench) -> Vec<CoverageChange> {
    let partition = bench.partition();
    let letters = || 'A'..='Z';
    let names = letters().flat_map(|one| letters().map(move |other| format!("{one}{other}")));
    let of_partition = names.filter(|name| bench.wire.partition_of(name) == partition).take(15);
    // From 09:00 to 12:00 in New York nothing is covered.
    let spans = (0..110).map(|number| {
        let midnight = day("2024-03-11") + number * DAY_MICROS;
        Span { start: midnight + DAY_MICROS / 2, end: midnight + DAY_MICROS + DAY_MICROS * 9 / 24 - 1 }
    });
    let of_symbol = |symbol| CoverageChange {
        symbol,
        timeframe: "1hour".to_owned(),
        intervals: spans.clone().collect(),
        wanted: Some(WantedSeries { layer: 1, from: day("2024-03-12"), at: START_MICROS }),
        ..series(&[], None)
    };
    of_partition.map(of_symbol).collect()
}

#[test]
fn open_requests_of_a_partition_are_bounded() {
    let mut bench = Bench::keeping(&[Timeframe::Hour1]);
    hours_with_many_holes(&bench).iter().for_each(|change| bench.table_record(change));
    bench.assign_loaded(now(0));
    (0..200).for_each(|second| bench.tick(now(second)));
    assert_eq!(bench.outputs.requested.len(), OPEN_REQUESTS_MAX);
    let distinct: BTreeSet<&str> =
        bench.outputs.requested.iter().map(|request| request.backfill_id.as_str()).collect();
    assert_eq!(distinct.len(), OPEN_REQUESTS_MAX);
    let noted_max = bench.outputs.coverage.iter().map(|change| change.asked.len()).max();
    assert!(noted_max <= Some(100), "{noted_max:?}");
}

#[test]
fn bound_of_open_requests_holds_over_a_restart() {
    let mut first = Bench::keeping(&[Timeframe::Hour1]);
    let mut changes = hours_with_many_holes(&first);
    changes.iter().for_each(|change| first.table_record(change));
    first.assign_loaded(now(0));
    (0..200).for_each(|second| first.tick(now(second)));
    changes.append(&mut first.outputs.coverage);

    let mut next = Bench::keeping(&[Timeframe::Hour1]);
    let input = next.input(INPUT, next.partition());
    changes.iter().for_each(|change| next.table_record(change));
    next.assign(&[input], now(200));
    next.load(Topic::CoverageChanged);
    next.load(Topic::BarClosed);
    // None of the open requests has been received, then all have been.
    (200..300).for_each(|second| next.tick(now(second)));
    let open = first.outputs.requested.iter();
    open.for_each(|request| assert!(matches!(next.process(request, now(300)), Verdict::Hold)));
    next.stage.reached_end(input);
    (300..500).for_each(|second| next.tick(now(second)));
    assert_eq!((next.outputs.requested.len(), next.held().len()), (0, OPEN_REQUESTS_MAX));
}

#[test]
fn requests_of_a_restored_record_count() {
    let mut change = series_with_holes();
    change.asked = holes()
        .iter()
        .zip([3_600, 90_000, 3_600])
        .map(|((start, end), age_seconds)| RequestedSpan {
            start: *start,
            end: *end,
            at: START_MICROS - age_seconds * 1_000_000,
            attempt: 4,
        })
        .collect();
    let mut bench = bench_of(&change);
    bench.tick(now(0));
    let [request] = &bench.outputs.requested[..] else { panic!("{:?}", bench.outputs.requested) };
    assert_eq!(((request.start, request.end), request.attempt), (holes()[1], 5));
}
