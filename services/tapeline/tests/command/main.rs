//! The `tapeline` binary as a process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dev;
mod process;
mod publish_and_tail;
mod replay;
mod verify;
