//! The word check: words and phrases that the project does not use, found in texts, comments and names.
//!
//! [`patterns`] reads the table of words, [`exceptions`] the list of contract names and other permitted uses.
//! [`rust`] and [`text`] cut files into [`Piece`]s, each of one [`Kind`], and [`search`] matches the patterns on
//! the words of each piece.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::tree;

pub mod counts;
pub mod exceptions;
pub mod patterns;
pub mod rust;
pub mod search;
pub mod text;
pub mod tokens;

pub use exceptions::Exceptions;
pub use patterns::Patterns;
pub use search::{Hit, search};
pub use tokens::Token;

/// The kind of place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Logs, errors, help, metric texts, pages, and everything under `deploy`.
    User,
    /// Comments of code that only its readers see.
    Comment,
    /// Declared identifiers and file names.
    Name,
    /// String literals of test code, and code of scripts.
    Test,
}

impl Kind {
    /// All kinds, in the order of the summary.
    pub const ALL: [Self; 4] = [Self::User, Self::Comment, Self::Name, Self::Test];

    /// The name in the committed counts and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Comment => "comments",
            Self::Name => "names",
            Self::Test => "tests",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text of one kind: a paragraph, a string literal or an identifier.
#[derive(Debug)]
pub struct Piece {
    /// The kind of place.
    pub kind: Kind,
    /// `true` if it begins a doc comment, where a pattern of scope `doc` applies.
    pub is_doc: bool,
    /// The words with their lines.
    pub tokens: Vec<Token>,
}

/// Counts per crate (or top-level area) and kind.
pub type Counts = BTreeMap<(String, Kind), usize>;

/// The crate of a path, or its area outside of crates: `docs`, `deploy`, `ci`, `readme` or `root`.
#[must_use]
pub fn area(path: &str) -> &str {
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("shared" | "services" | "tests"), Some(name), Some(_)) => name,
        (Some(folder @ ("docs" | "deploy" | "schemas")), Some(_), _) => folder,
        (Some("tests"), _, _) => "tests",
        (Some(".ci" | ".github"), _, _) => "ci",
        (Some(name), None, _) if name.ends_with(".md") => "readme",
        (Some("docker-compose.yml"), None, _) => "deploy",
        _ => "root",
    }
}

/// Counts of the hits.
#[must_use]
pub fn count(hits: &[Hit]) -> Counts {
    let mut counts = Counts::new();
    for hit in hits {
        *counts.entry((area(&hit.path).to_owned(), hit.kind)).or_default() += 1;
    }
    counts
}

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
