//! The whole service on the embedded broker and registry: a fact in, history out, and a restart that fetches nothing twice.

mod bench;

use backfill::config::SourceKind;
use contracts::{
    BackfillErrorClass, CoverageChange, RangeCompletion, RangeFailure, RangeRequest, Span, Topic, ids,
};

use kafka_io::{Missing, OutRecord};

use bench::{Bench, TIMEOUT, end};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_fetches_only_uncovered_history() {
    let bench = Bench::start().await;
    let context = bench.launch().await;
    bench.qualify("2024-03-15T20:00:00Z", 1).await;
    let first = bench.completions(1).await.remove(0);
    assert!(first.success && first.layer == 1, "{first:?}");
    let bars = bench.records(Topic::BarClosed).await.len();
    assert_eq!(i64::try_from(bars), Ok(first.records["market_data"]));
    assert!((240..260).contains(&bars), "{bars} sessions in a year");
    end(context).await;

    let context = bench.launch().await;
    bench.qualify("2024-06-14T20:00:00Z", 1).await;
    let second = bench.completions(2).await.into_iter().find(|end| end.backfill_id != first.backfill_id);
    let second = second.expect("another backfill");
    assert!(second.success && second.skipped.len() == 1, "{second:?}");
    let fetched = usize::try_from(second.records["market_data"]).expect("a count");
    assert!((55..70).contains(&fetched), "{fetched} sessions in three months");
    assert_eq!(bench.records(Topic::BarClosed).await.len(), bars + fetched);
    end(context).await;
    coverage_is_deleted_by_a_tombstone(&bench, &first).await;
    hole_is_fetched_without_a_request(&bench).await;
    service_without_a_source_is_degraded(bench).await;
}

/// Deletes the coverage of the day bars of SPY.
async fn delete_coverage(bench: &Bench) {
    let partition = bench.wire.partition_of("SPY");
    let record = OutRecord::new(Topic::CoverageChanged, partition, "SPY|market_data|1day", Vec::new());
    bench.produce(OutRecord { missing: Missing { key: false, payload: true }, ..record }).await;
}

/// The same request as the first is fetched as a whole again.
async fn coverage_is_deleted_by_a_tombstone(bench: &Bench, first: &RangeCompletion) {
    delete_coverage(bench).await;
    let context = bench.launch().await;
    bench.qualify("2024-03-15T20:00:00Z", 1).await;
    let again =
        bench.completions(3).await.into_iter().find(|end| end.attempt == 2).expect("a second attempt");
    assert_eq!(again.backfill_id, first.backfill_id);
    assert_eq!(again.records.get("market_data"), first.records.get("market_data"));
    assert!(again.success && again.skipped.is_empty(), "{again:?}");
    let readiness = bench.host.health().readiness();
    assert!(readiness.degraded.is_empty(), "{readiness:?}");
    end(context).await;
}

async fn service_without_a_source_is_degraded(mut bench: Bench) {
    bench.config.source.kind = SourceKind::None;
    let context = bench.launch().await;
    let degraded = bench.host.health().readiness().degraded;
    let cause = degraded.get("backfill").and_then(|of| of.get("source")).expect("a degraded source");
    assert_eq!(cause, "no source of bars: every request for history fails (source.kind is none)");
    bench.qualify("2024-03-15T20:00:00Z", 0).await;
    let failures = async {
        loop {
            let records = bench.records(Topic::RangeFailed).await;
            if let Some(record) = records.first() {
                return bench.event::<RangeFailure>(record);
            }
        }
    };
    let failure = tokio::time::timeout(TIMEOUT, failures).await.expect("a failure in time");
    assert_eq!(failure.error_class, BackfillErrorClass::NoSource);
    let counted = "backfill_ranges_total{service=\"backfill\",outcome=\"failed\",class=\"no_source\"} 1";
    let metrics = bench.host.metrics().render();
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    end(context).await;
}

/// The requests of the keeper.
async fn kept(bench: &Bench) -> Vec<RangeRequest> {
    let records = bench.records(Topic::RangeRequested).await;
    let requests = records.iter().map(|record| bench.event::<RangeRequest>(record));
    requests.filter(|request| request.source == "keeper").collect()
}

/// The coverage lacks ten days of a wanted series.
async fn hole_is_fetched_without_a_request(bench: &Bench) {
    let context = bench.launch().await;
    let now = domain::Timestamp::from_micros(context.clock.wall_micros());
    bench.qualify(&now.to_string(), 0).await;
    bench.completions(4).await;
    end(context).await;
    let records = bench.records(Topic::CoverageChanged).await;
    let coverage: CoverageChange = bench.event(records.last().expect("the coverage of a chunk"));
    let Span { start, end: last } = coverage.intervals[1];
    assert!(coverage.wanted.is_some_and(|wanted| wanted.from == start), "{coverage:?}");
    assert_eq!(kept(bench).await, []);

    // Ten days in the middle are missing.
    let (middle, day) = (start / 2 + last / 2, 86_400_000_000);
    let intervals = vec![
        coverage.intervals[0],
        Span { start, end: middle },
        Span { start: middle + 10 * day, end: last },
    ];
    let with_hole = CoverageChange { event_id: ids::event_id(), intervals, ..coverage };
    bench.produce(bench.wire.write(&with_hole, None).expect("a small event")).await;
    for _ in 0..2 {
        let context = bench.launch().await;
        let completions = bench.completions(5).await;
        assert!(completions[4].success, "{completions:?}");
        end(context).await;
        let requests = kept(bench).await;
        let [request] = &requests[..] else { panic!("{requests:?}") };
        assert_eq!((request.start, request.end), (middle + 1, middle + 10 * day - 1));
    }
}
