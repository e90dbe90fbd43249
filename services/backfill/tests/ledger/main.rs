//! The ledger in SQLite and PostgreSQL.

mod batches;
#[path = "../embedded/bench.rs"]
mod bench;
mod rows;
mod service;
