//! Kinds of texts, and the crate or area of a path.

use std::fmt;

use super::tokens::Token;

/// The kind of a text.
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
    /// Its kind.
    pub kind: Kind,
    /// `true` if it begins a doc comment, where a pattern of scope `doc` applies.
    pub is_doc: bool,
    /// The words with their lines.
    pub tokens: Vec<Token>,
}

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
