//! Permitted uses (`word-exceptions.tsv`), each with its reason.

use super::contracts::Contracts;
use super::patterns::{Pattern, Patterns};
use super::tokens::Token;

/// The permitted uses.
#[derive(Debug, Default)]
pub struct Exceptions {
    paths: Vec<String>,
    contracts: Vec<(String, String)>,
    words: Vec<(String, Pattern)>,
    phrases: Vec<Pattern>,
}

impl Exceptions {
    /// Parses the list. Its rows are, with tabs between the columns:
    /// `path`, paths, reason; `contract`, paths, name, reason; `word`, paths, pattern, reason; `phrase`, pattern, reason.
    ///
    /// # Errors
    /// The first line that is no such row.
    pub fn parse(table: &str) -> Result<Self, String> {
        let mut exceptions = Self::default();
        for line in table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            match line.split('\t').map(str::trim).collect::<Vec<_>>()[..] {
                ["path", paths, reason] if !reason.is_empty() => exceptions.paths.push(paths.to_owned()),
                ["contract", paths, name, reason] if !reason.is_empty() => {
                    exceptions.contracts.push((paths.to_owned(), name.to_owned()));
                }
                ["word", paths, pattern, reason] if !reason.is_empty() => {
                    exceptions.words.push((paths.to_owned(), Pattern::parse(pattern, None, "any")?));
                }
                ["phrase", pattern, reason] if !reason.is_empty() => {
                    exceptions.phrases.push(Pattern::parse(pattern, None, "any")?);
                }
                _ => return Err(format!("{line:?} is no exception with a reason")),
            }
        }
        Ok(exceptions)
    }

    /// The contract names of one file.
    #[must_use]
    pub fn contracts(&self, path: &str) -> Contracts {
        self.contracts
            .iter()
            .filter(|(paths, _)| covers(paths, path))
            .map(|(_, name)| name.as_str())
            .collect()
    }

    /// Adds the permitted phrases to the patterns, where the longest match wins.
    pub fn extend(&self, patterns: &mut Patterns) {
        self.phrases.iter().for_each(|phrase| patterns.add(phrase.clone()));
    }

    /// `true` if nothing in this file is checked.
    #[must_use]
    pub fn covers_path(&self, path: &str) -> bool {
        self.paths.iter().any(|paths| covers(paths, path))
    }

    /// `true` if these words are permitted in this file.
    #[must_use]
    pub fn covers_words(&self, path: &str, words: &[Token]) -> bool {
        self.words.iter().any(|(paths, pattern)| covers(paths, path) && pattern.is(words))
    }
}

/// `true` if the path is one of the exception, lies in a folder of it (`a/`), or matches its `*`.
fn covers(paths: &str, path: &str) -> bool {
    paths.split(',').any(|paths| {
        let Some((start, end)) = paths.split_once('*') else {
            return path == paths || (paths.ends_with('/') && path.starts_with(paths));
        };
        path.len() >= start.len() + end.len()
            && path.starts_with(start)
            && (path.ends_with(end) || (end.ends_with('/') && path[start.len()..].contains(end)))
    })
}
