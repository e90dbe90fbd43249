//! Configuration section `ledger`.

use chassis::config::{ErrorCollector, Validate};
use kit::{Millis, Secret};
use serde::{Deserialize, Serialize};

use crate::features::FEATURES;

/// The database of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// No ledger.
    #[default]
    None,
    /// A file of this instance, with the partitions that it owns.
    Sqlite,
    /// A server that all instances share, with all partitions.
    Postgres,
}

/// The ledger: a view of backfills in a SQL database, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerSection {
    /// The kind of the database: `none`, `sqlite` (a file with the partitions of this instance) or `postgres` (all partitions). By default
    /// `none`, because the file system of the images is read-only. No work depends on the ledger.
    pub kind: LedgerKind,
    /// The address: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. TLS is requested by `?sslmode=verify-full` and
    /// `&sslrootcert=FILE`. By default unset, which is the file `backfill-ledger.db` in the working directory for `sqlite`. Required for
    /// `postgres`.
    pub url: Secret,
    /// The maximum number of connections, 1 to 20. They are opened while partitions are written, and closed without use, down to one. By default 20, more than the partitions of an instance. For `sqlite` there is one.
    pub connections_max: u32,
    /// The time in milliseconds after which a connection without use is closed, at least 1. By default 60 s.
    pub idle_timeout_ms: Millis<u32>,
    /// The timeout in milliseconds of a connection, at least 1. By default 5 s: longer than several lost packets.
    pub connect_timeout_ms: Millis<u32>,
    /// For `postgres`: the timeout in milliseconds of a statement, at least 1. By default 10 s: a batch takes milliseconds.
    pub statement_timeout_ms: Millis<u32>,
    /// The time in milliseconds that a statement waits for a lock, at least 1. By default 2 s.
    pub lock_timeout_ms: Millis<u32>,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            kind: LedgerKind::None,
            url: Secret::default(),
            connections_max: 20,
            idle_timeout_ms: Millis::new(60_000),
            connect_timeout_ms: Millis::new(5_000),
            statement_timeout_ms: Millis::new(10_000),
            lock_timeout_ms: Millis::new(2_000),
        }
    }
}

impl LedgerSection {
    /// Returns the address, with the default of `sqlite`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.expose().unwrap_or("sqlite://backfill-ledger.db?mode=rwc")
    }
}

impl Validate for LedgerSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let (schemes, example): (&[&str], _) = match self.kind {
            LedgerKind::None => return,
            LedgerKind::Sqlite => (&["sqlite://"], "sqlite:///var/lib/tapeline/ledger.db?mode=rwc"),
            LedgerKind::Postgres => {
                (&["postgres://", "postgresql://"], "{ file = \"/run/secrets/ledger-url\" }")
            }
        };
        let is_built = FEATURES.contains(&"ledger");
        errors.check(
            is_built,
            "kind",
            self.kind_name(),
            "none, because this build lacks the feature `ledger`",
            "none",
        );
        let is_address = schemes.iter().any(|scheme| self.address().starts_with(scheme));
        errors.check(
            is_address,
            "url",
            &self.url,
            &format!("an address that begins with {}", schemes[0]),
            example,
        );
        let connections = self.connections_max;
        errors.check((1..=20).contains(&connections), "connections_max", connections, "1 to 20", "20");
        let timeouts = [
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("statement_timeout_ms", self.statement_timeout_ms),
            ("lock_timeout_ms", self.lock_timeout_ms),
        ];
        for (key, timeout) in timeouts {
            errors.check(timeout.get() != 0, key, timeout, "at least 1", "5000");
        }
    }
}

impl LedgerSection {
    fn kind_name(&self) -> &'static str {
        match self.kind {
            LedgerKind::None => "none",
            LedgerKind::Sqlite => "sqlite",
            LedgerKind::Postgres => "postgres",
        }
    }
}
