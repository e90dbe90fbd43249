//! Where the files of a source are: in a folder, or in a bucket.

use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::Timestamp;

use super::bucket::Bucket;
use crate::sources::csv_file::{Content, CsvError, Limits, read_file};

#[derive(Debug, Clone)]
pub(super) enum Storage {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A storage during a call of the source. Paths are below the storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenStorage<'p> {
    storage: &'p Storage,
    /// The time at which the call ends. A folder has none: the system decides.
    deadline: Instant,
}

impl Storage {
    pub(super) fn open(&self) -> OpenStorage<'_> {
        let deadline = match self {
            Self::Folder(_) => Instant::now(),
            Self::Bucket(bucket) => bucket.deadline(),
        };
        OpenStorage { storage: self, deadline }
    }
}

impl OpenStorage<'_> {
    /// Returns the path or the address of a file, for errors.
    pub(super) fn path(self, below: &Path) -> PathBuf {
        match self.storage {
            Storage::Folder(folder) => folder.join(below),
            Storage::Bucket(bucket) => bucket.root().join(below),
        }
    }

    pub(super) fn content(self, below: &Path, limits: Limits, now: Timestamp) -> Result<Content, CsvError> {
        match self.storage {
            Storage::Folder(folder) => read_file(&folder.join(below), limits, Some(now)),
            Storage::Bucket(bucket) => bucket.content(below, limits, now, self.deadline),
        }
    }

    /// Returns `true` if the storage is there: a file that is absent from another is not known to be absent. A bucket has no folders, so
    /// there must be an object below its prefix.
    ///
    /// # Errors
    /// The bucket cannot be read.
    pub(super) fn is_there(self) -> Result<bool, CsvError> {
        match self.storage {
            Storage::Folder(folder) => Ok(folder.is_dir()),
            Storage::Bucket(bucket) => bucket.is_there(self.deadline),
        }
    }

    /// Returns those names in a folder that begin with a text and are needed. Those of a folder that is absent are none.
    ///
    /// # Errors
    /// The storage is absent or cannot be read.
    pub(super) fn names(
        self,
        below: &Path,
        begin: &str,
        is_needed: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, CsvError> {
        match self.storage {
            Storage::Folder(folder) => {
                names_in(folder, below, |name| name.starts_with(begin) && is_needed(name))
            }
            Storage::Bucket(bucket) => bucket.names(below, begin, is_needed, self.deadline),
        }
    }

    /// Returns those of these files that are there: all of a folder; of a bucket the first one, the last one and those that are needed.
    /// `is_named`: [`Self::names`] has named the files themselves, not their folders.
    pub(super) fn present<T: Copy + Ord>(
        self,
        files: &[(T, PathBuf)],
        is_named: bool,
        is_needed: impl Fn(T) -> bool,
    ) -> Result<Vec<T>, CsvError> {
        match self.storage {
            Storage::Folder(folder) => {
                let present = files.iter().filter(|(_, below)| folder.join(below).is_file());
                Ok(present.map(|(file, _)| *file).collect())
            }
            Storage::Bucket(_) if is_named => Ok(files.iter().map(|(file, _)| *file).collect()),
            Storage::Bucket(bucket) => bucket.present(files, is_needed, self.deadline),
        }
    }
}

fn names_in(root: &Path, below: &Path, is_needed: impl Fn(&str) -> bool) -> Result<Vec<String>, CsvError> {
    let folder = root.join(below);
    let unreadable = |cause| CsvError::Unreadable { path: folder.clone(), cause };
    let entries = match std::fs::read_dir(&folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && root.is_dir() => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        names.extend(name.to_str().filter(|name| is_needed(name)).map(str::to_owned));
    }
    Ok(names)
}
