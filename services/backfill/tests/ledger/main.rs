//! The ledger in SQLite and PostgreSQL.

#[path = "../embedded/bench.rs"]
mod bench;
mod rows;
mod service;
