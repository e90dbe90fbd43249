//! All rendered files of the repository.

use std::fs;

use crate::services::Program;
use crate::sources::{Sources, root};
use crate::{Error, configuration, events, example};

/// A rendered file: its path from the root of the repository, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Path from the root of the repository.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Page {
    /// Returns `true` if the committed file differs.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        fs::read_to_string(root().join(&self.path)).ok().as_deref() != Some(self.text.as_str())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<(), Error> {
        let path = root().join(&self.path);
        let folder = path.parent().map(fs::create_dir_all).transpose();
        folder.and_then(|_| fs::write(&path, &self.text)).map_err(|source| Error::File { path, source })
    }
}

/// Renders all files.
///
/// # Errors
/// If the sources, the defaults or the texts are not consistent.
pub fn render() -> Result<Vec<Page>, Error> {
    let (programs, sources) = (Program::all()?, Sources::read()?);
    let configuration = configuration::page(&programs, &sources)?;
    let mut pages = vec![
        Page { path: "docs/configuration.md".to_owned(), text: configuration },
        Page { path: "docs/events.md".to_owned(), text: events::page() },
    ];
    for program in &programs {
        let keys = configuration::keys(program, &sources)?;
        let text = example::file(program.name, &keys);
        pages.push(Page { path: format!("deploy/config/{}.toml", program.name), text });
    }
    Ok(pages)
}
