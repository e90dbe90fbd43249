//! Rows and positions, alike in both databases.

use std::collections::BTreeMap;

use backfill::config::{LedgerKind, LedgerSection};
use backfill::ledger::batch::OffsetRange;
use backfill::ledger::rows::{End, JobRow, Outcome, Progress, SeriesRow};
use backfill::ledger::{Batch, LedgerError, Store};
use contracts::Topic;
use integration::{Postgres, postgres_missing, wait_until};
use kit::Secret;
use sqlx::{AssertSqlSafe, Row};
use tempfile::TempDir;

use crate::bench::TIMEOUT;

const PARTITION: i32 = 3;

pub(crate) fn sqlite(folder: &TempDir) -> LedgerSection {
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("ledger.db").display());
    LedgerSection { kind: LedgerKind::Sqlite, url: Secret::new(url), ..LedgerSection::default() }
}

pub(crate) fn postgres(server: &Postgres) -> LedgerSection {
    LedgerSection { kind: LedgerKind::Postgres, url: Secret::new(server.url()), ..LedgerSection::default() }
}

pub(crate) async fn texts(store: &Store, sql: &str) -> Vec<Vec<String>> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(store.pool()).await.expect("rows");
    let columns =
        |row: &sqlx::any::AnyRow| (0..row.len()).map(|column| row.get::<String, _>(column)).collect();
    rows.iter().map(columns).collect()
}

/// A batch that moves the requests' position of [`PARTITION`].
fn batch(expected: i64, next: i64) -> Batch {
    let mut batch = Batch::new(PARTITION);
    batch.positions.insert(Topic::RangeRequested, OffsetRange { expected, next });
    batch
}

fn requested() -> JobRow {
    JobRow {
        symbol: "AAPL".into(),
        layer: Some(1),
        data_types: Some("market_data".into()),
        range: Some((1_000_000, 2_000_000)),
        priority: Some(5),
        trigger: Some("manual"),
        source: Some("operator".into()),
        requested_at: Some(3_000_000),
        ..JobRow::default()
    }
}

fn ended(outcome: Outcome) -> JobRow {
    let end = End {
        outcome,
        at: 5_000_000,
        duration_micros: Some(2_000_000),
        records: 250,
        error_class: None,
        error_count: 0,
        error: None,
    };
    JobRow { symbol: "AAPL".into(), end: Some(end), ..JobRow::default() }
}

/// Checks that hold in both databases.
async fn rows_are_correct_in(section: &LedgerSection) {
    let store = Store::open(section).await.expect("a database");
    let key = ("b-1".to_owned(), 1);

    // The terminal event is read first.
    let mut first = batch(0, 10);
    first.jobs.insert(key.clone(), ended(Outcome::Completed));
    first.jobs.insert(("b-2".to_owned(), 1), requested());
    store.write(&first).await.expect("a written batch");
    let mut second = batch(10, 20);
    let progress = Some(Progress { done: 1, total: 2, at: 4_000_000 });
    second.jobs.insert(key.clone(), JobRow { progress, ..requested() });
    store.write(&second).await.expect("a written batch");
    let jobs = "select backfill_id, symbol, trigger_kind, cast(records as text), cast(cast(seconds as integer) as text)
        from jobs where state = 'completed'";
    assert_eq!(texts(&store, jobs).await, [["b-1", "AAPL", "manual", "250", "2"]]);
    assert_eq!(texts(&store, "select backfill_id from open_jobs").await, [["b-2"]]);
    let at = "select cast(range_start as text) from jobs where backfill_id = 'b-1'";
    assert!(texts(&store, at).await[0][0].starts_with("1970-01-01 00:00:01"));

    // A position that another instance has moved: nothing of the batch is written.
    let mut stale = batch(10, 30);
    stale.jobs.insert(("b-3".to_owned(), 1), requested());
    let conflict = store.write(&stale).await;
    assert!(matches!(conflict, Err(LedgerError::Conflict { partition: PARTITION, .. })), "{conflict:?}");
    assert_eq!(texts(&store, "select backfill_id from open_jobs").await, [["b-2"]]);

    coverage_is_replaced_in(&store).await;
    let again = Store::open(section).await.expect("tables of the same version");
    let positions = again.positions(&[PARTITION].into()).await.expect("positions");
    assert_eq!(positions, BTreeMap::from([((Topic::RangeRequested, PARTITION), 40)]));
    assert!(again.positions(&[PARTITION + 1].into()).await.expect("positions").is_empty());
}

async fn coverage_is_replaced_in(store: &Store) {
    let key = ("AAPL".to_owned(), "market_data", "1day".to_owned());
    let intervals = "select cast(range_end as text) from coverage order by range_start";
    let mut two = batch(20, 30);
    let of = |intervals: &[(i64, i64)]| SeriesRow { intervals: intervals.to_vec(), changed_at: 9 };
    two.series.insert(key.clone(), of(&[(1, 2), (5, 6)]));
    store.write(&two).await.expect("a written batch");
    assert_eq!(texts(store, intervals).await, [["2"], ["6"]]);
    let mut one = batch(30, 40);
    one.series.insert(key, of(&[(1, 6)]));
    store.write(&one).await.expect("a written batch");
    assert_eq!(texts(store, intervals).await, [["6"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_has_every_row_once() {
    let folder = TempDir::new().expect("a folder");
    rows_are_correct_in(&sqlite(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_has_every_row_once() {
    if !postgres_missing() {
        let server = Postgres::start().expect("a PostgreSQL server");
        rows_are_correct_in(&postgres(&server)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_written_over_a_bounded_number_of_connections() {
    if postgres_missing() {
        return;
    }
    let server = Postgres::start().expect("a PostgreSQL server");
    let section = LedgerSection { connections_max: 5, ..postgres(&server) };
    let count = || {
        server.query("select count(*) from pg_stat_activity where usename = 'tapeline' and pid <> pg_backend_pid() and backend_type = 'client backend'")
    };
    let store = Store::open(&section).await.expect("a database");
    write_partitions(&store, 0..40).await;
    assert_eq!(
        count().expect("a count"),
        "5",
        "more writes than connections, none of which has been idle for long"
    );
    store.pool().close().await;

    let section = LedgerSection { idle_timeout_ms: kit::Millis::new(200), ..section };
    let store = Store::open(&section).await.expect("a database");
    write_partitions(&store, 40..80).await;
    assert!(wait_until(TIMEOUT, || count().is_ok_and(|open| open == "1")), "idle connections are not closed");
    assert_eq!(server.query("select count(*) from backfill_jobs").expect("a count"), "40000");
}

/// Each statement is a round trip, as are the begin and the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_jobs_are_written_by_sixteen_statements() {
    if postgres_missing() {
        return;
    }
    let server = Postgres::start().expect("a PostgreSQL server");
    server.query("alter role tapeline set log_statement = 'all'").expect("a setting");
    // A second connection would set its limits with two statements, whenever both writes meet.
    let section = LedgerSection { connections_max: 1, ..postgres(&server) };
    let store = Store::open(&section).await.expect("a database");
    let before = server.logged_statements().expect("a log");
    write_partitions(&store, 0..2).await;
    let statements = server.logged_statements().expect("a log") - before;
    assert_eq!(statements, 16, "of each partition: begin, position, five times 100 jobs, commit");
}

/// Writes 500 jobs of each partition, all partitions at once.
async fn write_partitions(store: &Store, partitions: std::ops::Range<i32>) {
    let mut writes = tokio::task::JoinSet::new();
    for partition in partitions {
        let store = store.clone();
        writes.spawn(async move {
            let mut batch = Batch::new(partition);
            batch.positions.insert(Topic::RangeRequested, OffsetRange { expected: 0, next: 1 });
            for number in 0..500 {
                batch.jobs.insert((format!("b-{partition}-{number}"), 1), requested());
            }
            store.write(&batch).await
        });
    }
    let written = writes.join_all().await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
}
