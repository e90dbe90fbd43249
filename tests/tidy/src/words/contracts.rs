//! Contract names, which do not change for the sake of the language.

use std::collections::BTreeSet;

use super::split::words;

/// Contract names that may occur in a file.
#[derive(Debug, Default)]
pub struct Contracts {
    names: BTreeSet<String>,
    identifiers: BTreeSet<Vec<String>>,
}

impl<'a> FromIterator<&'a str> for Contracts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        Self { identifiers: names.iter().map(|name| words(name)).collect(), names }
    }
}

impl Contracts {
    /// `true` for the text of a contract name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// `true` for an identifier that is a contract name in any style.
    #[must_use]
    pub fn has_identifier(&self, name: &str) -> bool {
        self.identifiers.contains(&words(name))
    }
}
