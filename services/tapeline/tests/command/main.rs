//! The `tapeline` binary as a process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dev;
mod dev_input;
mod output;
mod process;
mod publish;
mod publish_and_tail;
mod replay;
mod simulated_edge;
mod topics;
mod verify;
