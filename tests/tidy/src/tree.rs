//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file: its path from the repository's root, with `/` between folders, and what it holds.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the root.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// A file that exists only in a test.
    #[must_use]
    pub fn made_up(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Folders without files of the project.
const SKIPPED: &[&str] = &["target", ".git", ".venv", "__pycache__", "node_modules"];

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Every readable text file of the repository whose name ends in `ending`, sorted by path.
#[must_use]
pub fn files(ending: &str) -> Vec<SourceFile> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// One file, none when it doesn't exist.
#[must_use]
pub fn file(path: &str) -> Option<SourceFile> {
    let text = fs::read_to_string(root().join(path)).ok()?;
    Some(SourceFile { path: path.to_owned(), text })
}

fn collect(root: &Path, folder: &Path, ending: &str, found: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if SKIPPED.contains(&name.as_ref()) {
            continue;
        }
        if is_folder && !path.join("CACHEDIR.TAG").exists() {
            collect(root, &path, ending, found);
        } else if !is_folder
            && name.ends_with(ending)
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push(SourceFile { path, text });
        }
    }
}
