//! The `tapeline` binary, run as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dev;
#[path = "publish_and_tail.rs"]
mod operator;
mod replay;
#[path = "process.rs"]
mod run;
mod verify;
