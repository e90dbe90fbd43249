//! NDJSON files: one JSON object per line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exit::Failure;

/// An NDJSON file that is written.
pub struct NdjsonFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl NdjsonFile {
    /// Creates the file, or truncates an existing one.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::file("create", path, error))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file) })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// As for [`NdjsonFile::create`].
    pub fn write(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.file, line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Failure::file("write", &self.path, error))
    }

    /// Flushes all lines to the file.
    ///
    /// # Errors
    /// As for [`NdjsonFile::create`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| Failure::file("write", &self.path, error))
    }
}
