//! The word check: words and phrases that the project does not use, found in texts, comments and names.
//!
//! [`patterns`] reads the table of words, [`exceptions`] the list of contract names and other permitted uses.
//! [`rust`] and [`text`] cut files into [`kinds::Piece`]s, each of one [`Kind`], and [`search`] matches the patterns
//! on the words of each piece.

use crate::tree::{self, SourceFile};

pub mod contracts;
pub mod exceptions;
pub mod kinds;
pub mod patterns;
pub mod rust;
pub mod search;
mod split;
pub mod text;
pub mod tokens;

pub use exceptions::Exceptions;
pub use kinds::{Kind, area};
pub use patterns::Patterns;
pub use search::{Hit, search};

/// The table of words, from the root.
pub const WORDS: &str = "tests/tidy/words.tsv";
/// The permitted uses, from the root.
pub const EXCEPTIONS: &str = "tests/tidy/word-exceptions.tsv";
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

/// All hits in these files, by the committed tables.
///
/// # Errors
/// An invalid table, or a Rust file that cannot be parsed.
pub fn search_committed(files: &[SourceFile]) -> Result<Vec<Hit>, String> {
    let (patterns, exceptions) = tables()?;
    search(files, &patterns, &exceptions)
}
