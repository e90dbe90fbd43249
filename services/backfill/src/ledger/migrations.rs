//! Embedded versions of the tables.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::config::LedgerKind;

/// Returns the migrations of a database. A released one never changes: a change of the tables is a new version.
pub(super) fn migrator(kind: LedgerKind) -> Migrator {
    let first = match kind {
        LedgerKind::Postgres => include_str!("../../migrations/postgres/0001_ledger.sql"),
        LedgerKind::Sqlite | LedgerKind::None => include_str!("../../migrations/sqlite/0001_ledger.sql"),
    };
    let first =
        Migration::new(1, Cow::Borrowed("ledger"), MigrationType::Simple, first.into_sql_str(), false);
    Migrator { migrations: Cow::Owned(vec![first]), ..Migrator::DEFAULT }
}
