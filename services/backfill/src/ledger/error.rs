//! Errors of the ledger.

use contracts::Topic;
use kafka_io::{ReadError, Unavailable};

/// The ledger could not be written. Each is retried, since nothing depends on the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database is unavailable, or rejects a statement.
    #[error("failed to {action} the ledger's database")]
    Database { action: &'static str, source: sqlx::Error },
    /// The tables can't be created or are newer than this version.
    #[error("failed to migrate the ledger's database")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Another instance has written a partition: this one no longer owns it, or will read its position again.
    #[error("position of {topic}[{partition}] moved by another instance")]
    Conflict { topic: Topic, partition: i32 },
    /// The events can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The registry is unavailable.
    #[error("failed to decode an event of the ledger: {}", .0.0)]
    Registry(Unavailable),
}

impl LedgerError {
    pub(super) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }
}
