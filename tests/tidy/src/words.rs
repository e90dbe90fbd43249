//! The word check: words and phrases that the project does not use, found in texts, comments and names.
//!
//! [`patterns`] reads the table of words, [`exceptions`] the list of contract names and other permitted uses.
//! [`rust`] and [`text`] cut files into [`place::Piece`]s, each of one [`Kind`], and [`search`] matches the patterns
//! on the words of each piece.

use std::path::PathBuf;

use crate::tree;

pub mod contracts;
pub mod counts;
pub mod exceptions;
pub mod patterns;
pub mod place;
pub mod rust;
pub mod search;
mod split;
pub mod text;
pub mod tokens;

pub use counts::{Counts, count};
pub use exceptions::Exceptions;
pub use patterns::Patterns;
pub use place::{Kind, area};
pub use search::{Hit, search};

/// The table of words, from the root.
pub const WORDS: &str = "tests/tidy/words.tsv";
/// The permitted uses, from the root.
pub const EXCEPTIONS: &str = "tests/tidy/word-exceptions.tsv";
/// The committed counts, from the root.
pub const COUNTS: &str = "tests/tidy/word-counts.tsv";

/// The place of a file in the working tree.
#[must_use]
pub fn root_path(path: &str) -> PathBuf {
    tree::root().join(path)
}

/// The committed patterns, with the permitted phrases, and the exceptions.
///
/// # Errors
/// A file that is missing or has a line that is not valid.
pub fn tables() -> Result<(Patterns, Exceptions), String> {
    let read = |path: &str| tree::file(path).map(|it| it.text).ok_or_else(|| format!("{path} is missing"));
    let mut patterns = Patterns::parse(&read(WORDS)?)?;
    let exceptions = Exceptions::parse(&read(EXCEPTIONS)?)?;
    exceptions.extend(&mut patterns);
    Ok((patterns, exceptions))
}

/// All hits of the working tree.
///
/// # Errors
/// An invalid table, or a Rust file that cannot be parsed.
pub fn search_tree() -> Result<Vec<Hit>, String> {
    let (patterns, exceptions) = tables()?;
    search(&tree::files(""), &patterns, &exceptions)
}
