//! A child process with a log file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Lines of a log that are printed when a test fails.
const EXCERPT_LINES_MAX: usize = 40;
const EXCERPT_MAX_BYTES: u64 = 16 * 1024;
const POLL: Duration = Duration::from_millis(50);

/// A child process. Both of its outputs are written to one file. It is killed on drop; if a test is panicking then, the end of its
/// log is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its outputs in `folder/name.log`; an existing file (of a previous start) is appended to.
    ///
    /// # Errors
    /// The log cannot be opened, or the command cannot be started.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|cause| io::Error::new(cause.kind(), format!("failed to start {name}: {cause}")))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the path of its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns its whole output.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn printed(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// Returns its exit status. `None` while it is running.
    ///
    /// # Errors
    /// The system call fails.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until `ready` returns true.
    ///
    /// # Errors
    /// The process exits earlier, or the limit is exceeded.
    pub fn wait_until_ready(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        while !ready() {
            if let Some(status) = self.ended()? {
                let text = format!("{} exited before it was ready ({status})\n{}", self.name, self.excerpt());
                return Err(io::Error::other(text));
            }
            if Instant::now() >= deadline {
                let text = format!("{} was not ready within {limit:?}\n{}", self.name, self.excerpt());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::park_timeout(POLL);
        }
        Ok(())
    }

    /// Sends a signal by name (`TERM`, `INT`, `STOP`, `CONT`, `KILL`).
    ///
    /// # Errors
    /// The process has exited, or the signal is unknown.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("failed to send {signal} to {} (pid {})", self.name, self.id())))
    }

    /// Sends SIGTERM and waits for the exit.
    ///
    /// # Errors
    /// The limit is exceeded; the process is left running.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        self.wait(limit)
    }

    /// Waits for the exit.
    ///
    /// # Errors
    /// The limit is exceeded; the process is left running.
    pub fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let mut status = None;
        let in_time = wait_until(limit, || {
            status = self.ended().ok().flatten();
            status.is_some()
        });
        match status {
            Some(status) if in_time => Ok(status),
            _ => {
                let text = format!("{} is still running after {limit:?}\n{}", self.name, self.excerpt());
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// Returns the last lines of its output.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let tail = tail(&self.log).unwrap_or_else(|cause| format!("(unreadable: {cause})"));
        let lines: Vec<&str> = tail.lines().collect();
        let from = lines.len().saturating_sub(EXCERPT_LINES_MAX);
        format!("--- end of {}\n{}\n---", self.log.display(), lines[from..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test runner captures the print macros; a failed write must not hide the failure of the test.
            writeln!(io::stderr(), "{}: {}", self.name, self.excerpt()).ok();
        }
        // Fails if it has already exited.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Calls `done` every 50 ms for at most `limit`, and returns whether it returned true.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::park_timeout(POLL);
    }
}

/// The result of a program that has exited.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its whole output.
    pub printed: String,
}

/// Runs a command until it exits; its output is also in `folder/name.log`.
///
/// # Errors
/// It cannot be started, or the limit is exceeded, after which it is killed.
pub fn run_to_end(name: &str, command: Command, folder: &Path, limit: Duration) -> io::Result<Ended> {
    let mut process = Process::start(name, command, folder)?;
    let code = process.wait(limit)?.code();
    Ok(Ended { code, printed: process.printed()? })
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(EXCERPT_MAX_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
