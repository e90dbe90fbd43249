//! `tapeline dead-letters` as a process, on an embedded broker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod environment;
mod list_and_show;
mod replay;
