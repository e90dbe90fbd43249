//! Embedded versions of the tables.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::config::LedgerKind;

/// Returns the migrations of a database. A released one never changes: a change of the tables is a new version.
pub(super) fn migrator(kind: LedgerKind) -> Migrator {
    let first = match kind {
        LedgerKind::Postgres => concat!(
            include_str!("../../migrations/0001_tables.sql"),
            include_str!("../../migrations/0001_views_postgres.sql"),
        ),
        LedgerKind::Sqlite | LedgerKind::None => concat!(
            include_str!("../../migrations/0001_tables.sql"),
            include_str!("../../migrations/0001_views_sqlite.sql"),
        ),
    };
    let first =
        Migration::new(1, Cow::Borrowed("ledger"), MigrationType::Simple, first.into_sql_str(), false);
    Migrator { migrations: Cow::Owned(vec![first]), ..Migrator::DEFAULT }
}
