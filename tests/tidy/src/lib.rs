//! Checks of the repository: each takes files and returns its offences, one line each.
//!
//! The tests in `tests/` run every check over the repository, and over made-up files that violate it, so that a check
//! that can no longer fail is noticed. The crate does not repeat checks of clippy, rustfmt or cargo-deny.
//!
//! - [`dependencies`]: permitted dependencies between crates, from [`metadata`]; [`cycles`]: imports between files.
//! - [`words`]: words and phrases that the project does not use; [`names`]: names of tests and files.
//! - [`blocking`]: blocking calls in async code; [`statics`]: global state.
//! - [`sources`], [`manifests`], [`documents`], [`review`], [`versions`]: form of files and their references.
//! - [`counts`]: findings whose committed number may only fall. [`tree`] reads the files.

pub mod blocking;
pub mod counts;
pub mod cycles;
pub mod dependencies;
pub mod documents;
pub mod manifests;
pub mod metadata;
pub mod names;
pub mod review;
pub mod sources;
pub mod statics;
pub mod tree;
pub mod versions;
pub mod words;
