//! A process's wall clock that can be moved: a preloaded library adds to it what stands in a file.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// What the library reads its file's name from.
const FILE: &str = "STORM_CLOCK";

/// One process's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

// === impl Clock ===

impl Clock {
    /// A clock whose offset stands in `file`.
    #[must_use]
    pub fn new(library: PathBuf, file: PathBuf) -> Self {
        Self { library, file }
    }

    /// Sets it right, and puts it into a process that is about to be started.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn prepare(&self, command: &mut Command) -> io::Result<()> {
        self.set(0)?;
        command.env("LD_PRELOAD", &self.library).env(FILE, &self.file);
        Ok(())
    }

    /// How far it is ahead from now on.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set(&self, seconds: i64) -> io::Result<()> {
        // In place: the process has the file mapped, and eight aligned bytes are seen whole or not at all.
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.file)?;
        file.write_all_at(&seconds.to_ne_bytes(), 0)
    }
}
