//! Reference pages of `docs/` and example configurations of `deploy/config/`, rendered from the code.
//!
//! `cargo run -p reference -- --write` writes them; a test fails when a committed page is stale. Keys and defaults of the
//! configuration come from the serialized defaults of each service, types and texts from the sources and their doc comments, so a key
//! without text, or a text without key, is an error.

pub mod configuration;
pub mod error;
pub mod events;
pub mod example;
pub mod pages;
pub mod services;
pub mod sources;

pub use error::Error;
