//! `tapeline dead-letters` as an operator runs it, on an embedded broker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "environment.rs"]
mod desk;
#[path = "list_and_show.rs"]
mod look;
mod replay;
