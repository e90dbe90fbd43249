//! `tapeline dead-letters` as an operator runs it, on an embedded broker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
mod look;
mod replay;
