//! The service with a ledger, on the embedded broker.

use backfill::config::LedgerSection;
use backfill::ledger::Store;
use contracts::{CoverageChange, RangeCompletion, Topic};
use integration::{Postgres, postgres_missing, wait_until};
use tempfile::TempDir;

use crate::bench::{Bench, TIMEOUT, end};
use crate::rows::{postgres, sqlite, texts};

/// Waits until the rows equal the events in the topics.
async fn rows_follow(bench: &Bench, section: &LedgerSection, completion: &RangeCompletion) {
    let changes = bench.records(Topic::CoverageChanged).await;
    let newest: CoverageChange = bench.event(changes.last().expect("a change of coverage"));
    let intervals: Vec<_> =
        newest.intervals.iter().map(|span| [span.start.to_string(), span.end.to_string()].to_vec()).collect();
    let job = [
        completion.backfill_id.clone(),
        "completed".to_owned(),
        completion.records["market_data"].to_string(),
    ];
    let reached = async {
        loop {
            if let Ok(store) = Store::open(section).await {
                let jobs = "select backfill_id, state, cast(records as text) from jobs";
                let jobs = texts(&store, jobs).await;
                let coverage = "select cast(range_start as text), cast(range_end as text) from coverage";
                if jobs == [job.to_vec()] && texts(&store, coverage).await == intervals {
                    break;
                }
            }
        }
    };
    tokio::time::timeout(TIMEOUT, reached).await.expect("rows that equal the topics");
}

/// One test, because a process has one host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_equals_the_topics_and_no_work_waits_for_it() {
    let folder = TempDir::new().expect("a folder");
    let mut bench = Bench::start().await;
    bench.config.ledger = sqlite(&folder);
    let context = bench.launch().await;
    bench.qualify("2024-03-15T20:00:00Z", 1).await;
    let first = bench.completions(1).await.remove(0);
    rows_follow(&bench, &bench.config.ledger, &first).await;
    end(context).await;

    // An empty database is filled from the topics.
    let other = TempDir::new().expect("a folder");
    bench.config.ledger = sqlite(&other);
    let context = bench.launch().await;
    rows_follow(&bench, &bench.config.ledger, &first).await;
    end(context).await;

    if !postgres_missing() {
        stopped_server_stops_no_work(bench).await;
    }
}

async fn stopped_server_stops_no_work(mut bench: Bench) {
    let mut server = Postgres::start().expect("a PostgreSQL server");
    bench.config.ledger = postgres(&server);
    let context = bench.launch().await;
    let count = "select count(*) from jobs where state = 'completed'";
    assert!(wait_until(TIMEOUT, || server.query(count).is_ok_and(|count| count == "1")), "not filled");
    server.stop().expect("a stopped server");
    bench.qualify("2024-06-14T20:00:00Z", 1).await;
    assert!(bench.completions(2).await.iter().all(|completion| completion.success));
    let health = bench.host.health();
    let is_degraded =
        || health.readiness().degraded.get("backfill").is_some_and(|of| of.contains_key("ledger"));
    assert!(wait_until(TIMEOUT, is_degraded), "the ledger is not reported");
    let is_lag_known = || bench.host.metrics().render().contains("\nbackfill_ledger_lag_records{");
    assert!(!is_lag_known(), "a lag is exported that is not known");
    server.restart().expect("a PostgreSQL server");
    assert!(wait_until(TIMEOUT, || server.query(count).is_ok_and(|count| count == "2")), "not continued");
    assert!(wait_until(TIMEOUT, || !is_degraded()), "the ledger is still reported");
    assert!(wait_until(TIMEOUT, is_lag_known), "no lag is exported");
    end(context).await;
}
