//! The house rules as functions: each takes a piece of the tree and returns its offences, one sentence each.
//!
//! The tests beside it (`tests/`) run every rule over the repository, and over made-up pieces that break it, so
//! that a rule that can no longer fail is noticed.
//!
//! What this crate deliberately does not do: repeat what clippy, rustfmt or cargo-deny already check, and parse
//! Rust. It reads lines, so a rule that needs a parser isn't here.
//!
//! Start at [`arrows`], the rule that holds the architecture; [`tree`] reads the files.

pub mod arrows;
pub mod cycles;
pub mod documents;
pub mod manifests;
pub mod metadata;
pub mod parts;
pub mod review;
pub mod sources;
pub mod tree;
pub mod words;
