//! The database of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use contracts::Topic;
use kit::Secret;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor, Row};

use super::batch::{Batch, TOPICS};
use super::error::LedgerError;
use super::migrations::migrator;
use super::rows::{JobKey, JobRow};
use super::statements;
use crate::config::{LedgerKind, LedgerSection};

/// Jobs and intervals in one statement. A statement of a fixed size is prepared once per connection.
const ROWS_MAX: usize = 100;

type AnyQuery<'q> = Query<'q, Any, <Any as sqlx::Database>::Arguments>;

/// A pool of connections to the database, whose tables have the version of this program.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    address: Secret,
}

impl Store {
    /// Connects, and creates or updates the tables.
    ///
    /// # Errors
    /// If the database is unavailable or its tables are newer.
    pub async fn open(section: &LedgerSection) -> Result<Self, LedgerError> {
        sqlx::any::install_default_drivers();
        let limits = session_limits(section);
        let pool = AnyPoolOptions::new()
            .min_connections(1)
            // SQLite has one writer.
            .max_connections(if section.kind == LedgerKind::Sqlite { 1 } else { section.connections_max })
            .idle_timeout(Some(section.idle_timeout_ms.into()))
            .acquire_timeout(section.connect_timeout_ms.into())
            .after_connect(move |connection, _| {
                let limits = limits.clone();
                Box::pin(async move {
                    for statement in limits {
                        connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await?;
                    }
                    Ok(())
                })
            })
            .connect(section.address())
            .await
            .map_err(LedgerError::database("connect to"))?;
        migrator(section.kind).run(&pool).await?;
        Ok(Self { pool, address: Secret::new(section.address()) })
    }

    /// Returns the positions of these partitions. A partition that was never written has none.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn positions(
        &self,
        partitions: &BTreeSet<i32>,
    ) -> Result<BTreeMap<(Topic, i32), i64>, LedgerError> {
        let rows = sqlx::query("select topic, partition_id, next_offset from ledger_positions")
            .fetch_all(&self.pool)
            .await
            .map_err(LedgerError::database("read positions from"))?;
        let mut positions = BTreeMap::new();
        for row in rows {
            let name: String = row.get(0);
            let (partition, next): (i64, i64) = (row.get(1), row.get(2));
            let topic = TOPICS.into_iter().find(|topic| topic.name() == name);
            let partition = i32::try_from(partition).ok().filter(|it| partitions.contains(it));
            if let (Some(topic), Some(partition)) = (topic, partition) {
                positions.insert((topic, partition), next);
            }
        }
        Ok(positions)
    }

    /// Writes the rows and positions of a batch in one transaction.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if a position is not the expected one; then nothing is written.
    pub async fn write(&self, batch: &Batch) -> Result<(), LedgerError> {
        let mut connection = self.acquire().await.map_err(LedgerError::database("connect to"))?;
        let mut transaction = connection.begin().await.map_err(LedgerError::database("begin in"))?;
        move_positions(&mut transaction, batch).await?;
        write_jobs(&mut transaction, batch).await.map_err(LedgerError::database("write jobs to"))?;
        write_coverage(&mut transaction, batch).await.map_err(LedgerError::database("write coverage to"))?;
        transaction.commit().await.map_err(LedgerError::database("commit to"))
    }

    /// Returns a connection. The pool reports a timeout while the server is unavailable, so one attempt outside it finds the cause.
    async fn acquire(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        match self.pool.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => {
                match AnyConnection::connect(self.address.expose().unwrap_or_default()).await {
                    Err(cause) => Err(cause),
                    Ok(_) => Err(sqlx::Error::PoolTimedOut),
                }
            }
            acquired => acquired,
        }
    }

    /// Returns the pool, for queries.
    #[must_use]
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }
}

/// Returns statements that limit each later statement of a connection.
fn session_limits(section: &LedgerSection) -> Vec<String> {
    let (statement, lock) = (section.statement_timeout_ms, section.lock_timeout_ms);
    match section.kind {
        LedgerKind::Postgres => {
            vec![format!("set statement_timeout = {statement}"), format!("set lock_timeout = {lock}")]
        }
        LedgerKind::Sqlite | LedgerKind::None => {
            vec![format!("pragma busy_timeout = {lock}"), "pragma journal_mode = wal".to_owned()]
        }
    }
}

async fn move_positions(connection: &mut AnyConnection, batch: &Batch) -> Result<(), LedgerError> {
    for (topic, range) in &batch.positions {
        let moved = sqlx::query(
            "insert into ledger_positions (topic, partition_id, next_offset) values ($1, $2, $3)
             on conflict (topic, partition_id) do update set next_offset = excluded.next_offset
             where ledger_positions.next_offset = $4",
        )
        .bind(topic.name())
        .bind(i64::from(batch.partition))
        .bind(range.next)
        .bind(range.expected)
        .execute(&mut *connection)
        .await
        .map_err(LedgerError::database("write positions to"))?;
        if moved.rows_affected() != 1 {
            return Err(LedgerError::Conflict { topic: *topic, partition: batch.partition });
        }
    }
    Ok(())
}

async fn write_jobs(connection: &mut AnyConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let jobs: Vec<_> = batch.jobs.iter().collect();
    for part in jobs.chunks(ROWS_MAX) {
        let mut query = sqlx::query(AssertSqlSafe(statements::upsert_jobs(part.len())))
            .persistent(part.len() == ROWS_MAX);
        for (key, job) in part {
            query = bind_job(query, batch.partition, key, job);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind_job<'q>(query: AnyQuery<'q>, partition: i32, key: &JobKey, job: &JobRow) -> AnyQuery<'q> {
    let end = job.end.as_ref();
    query
        .bind(key.0.clone())
        .bind(i64::from(key.1))
        .bind(i64::from(partition))
        .bind(job.symbol.clone())
        .bind(job.layer.map(i64::from))
        .bind(job.data_types.clone())
        .bind(job.range.map(|range| range.0))
        .bind(job.range.map(|range| range.1))
        .bind(job.priority.map(i64::from))
        .bind(job.trigger.map(str::to_owned))
        .bind(job.source.clone())
        .bind(job.requested_at)
        .bind(job.progress.map(|progress| i64::from(progress.done)))
        .bind(job.progress.map(|progress| i64::from(progress.total)))
        .bind(job.progress.map(|progress| progress.at))
        .bind(end.map(|end| end.outcome.as_str().to_owned()))
        .bind(end.map(|end| end.at))
        .bind(end.and_then(|end| end.duration_micros))
        .bind(end.map(|end| end.records))
        .bind(end.and_then(|end| end.error_class).map(str::to_owned))
        .bind(end.map(|end| i64::from(end.error_count)))
        .bind(end.and_then(|end| end.error.clone()))
}

async fn write_coverage(connection: &mut AnyConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let series: Vec<_> = batch.series.iter().collect();
    for part in series.chunks(ROWS_MAX) {
        let mut query = sqlx::query(AssertSqlSafe(statements::delete_coverage(part.len())))
            .persistent(part.len() == ROWS_MAX);
        for ((symbol, data_type, timeframe), _) in part {
            query = query.bind(symbol.clone()).bind((*data_type).to_owned()).bind(timeframe.clone());
        }
        query.execute(&mut *connection).await?;
    }
    let intervals: Vec<_> = series
        .iter()
        .flat_map(|(key, row)| row.intervals.iter().map(move |interval| (*key, *interval, row.changed_at)))
        .collect();
    for part in intervals.chunks(ROWS_MAX) {
        let mut query = sqlx::query(AssertSqlSafe(statements::insert_coverage(part.len())))
            .persistent(part.len() == ROWS_MAX);
        for ((symbol, data_type, timeframe), (start, end), changed_at) in part {
            query = query
                .bind(symbol.clone())
                .bind((*data_type).to_owned())
                .bind(timeframe.clone())
                .bind(i64::from(batch.partition))
                .bind(*start)
                .bind(*end)
                .bind(*changed_at);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
