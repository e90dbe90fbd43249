//! The `tapeline` binary, run as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dev;
mod operator;
mod replay;
mod run;
mod verify;
