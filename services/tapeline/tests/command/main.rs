//! The `tapeline` binary as a process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backfill;
mod dev;
mod dev_input;
mod http_server;
mod output;
mod process;
mod publish;
mod publish_and_tail;
mod rebuild;
mod replay;
mod schemas;
mod signals;
mod simulated_edge;
mod topics;
mod verify;
