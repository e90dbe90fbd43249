//! The wall clock of a process, changed by a preloaded library that adds the offset in a file.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// The environment variable with the path of the offset file.
const FILE: &str = "STORM_CLOCK";

/// The clock of one process.
#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

// === impl Clock ===

impl Clock {
    /// Creates a clock whose offset is in `file`.
    #[must_use]
    pub fn new(library: PathBuf, file: PathBuf) -> Self {
        Self { library, file }
    }

    /// Resets the offset and configures a process that is about to be started.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn prepare(&self, command: &mut Command) -> io::Result<()> {
        self.set(0)?;
        command.env("LD_PRELOAD", &self.library).env(FILE, &self.file);
        Ok(())
    }

    /// Sets the offset, in seconds ahead.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, seconds: i64) -> io::Result<()> {
        // In place: the process has the file mapped, and eight aligned bytes are read whole.
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.file)?;
        file.write_all_at(&seconds.to_ne_bytes(), 0)
    }
}
