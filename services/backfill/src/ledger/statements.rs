//! SQL statements that both databases accept.

use std::fmt::Write;

/// The columns of a job, in the order of its bindings.
const JOB_COLUMNS: [&str; 22] = [
    "backfill_id",
    "attempt",
    "partition_id",
    "symbol",
    "layer",
    "data_types",
    "range_start",
    "range_end",
    "priority",
    "trigger_kind",
    "source",
    "requested_at",
    "chunks_done",
    "chunks_total",
    "progressed_at",
    "outcome",
    "ended_at",
    "duration_micros",
    "records",
    "error_class",
    "error_count",
    "error",
];

/// The columns of a job's key.
const JOB_KEY_COLUMNS: usize = 2;

/// Returns the statement that inserts this number of jobs, or adds their known columns to the existing rows.
pub(super) fn upsert_jobs(rows: usize) -> String {
    let mut sql = format!("insert into backfill_jobs ({}) values ", JOB_COLUMNS.join(", "));
    values(&mut sql, rows, JOB_COLUMNS.len());
    sql.push_str(" on conflict (backfill_id, attempt) do update set ");
    let updates = JOB_COLUMNS[JOB_KEY_COLUMNS..].iter();
    let updates =
        updates.map(|column| format!("{column} = coalesce(excluded.{column}, backfill_jobs.{column})"));
    sql.push_str(&updates.collect::<Vec<_>>().join(", "));
    sql
}

/// Returns the statement that inserts this number of intervals.
pub(super) fn insert_coverage(rows: usize) -> String {
    let columns = "symbol, data_type, timeframe, partition_id, range_start, range_end, changed_at";
    let mut sql = format!("insert into coverage ({columns}) values ");
    values(&mut sql, rows, 7);
    sql
}

/// Returns the statement that deletes the intervals of this number of series.
pub(super) fn delete_coverage(series: usize) -> String {
    let mut sql = "delete from coverage where (symbol, data_type, timeframe) in (values ".to_owned();
    values(&mut sql, series, 3);
    sql.push(')');
    sql
}

/// Appends `($1, $2), ($3, $4)`.
fn values(sql: &mut String, rows: usize, columns: usize) {
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            let separator = if column == 1 { "" } else { ", " };
            // Writing to a String does not fail.
            let _written = write!(sql, "{separator}${}", row * columns + column);
        }
        sql.push(')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_through_all_rows() {
        let mut sql = String::new();
        values(&mut sql, 2, 2);
        assert_eq!(sql, "($1, $2), ($3, $4)");
    }
}
