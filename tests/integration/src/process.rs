//! A child process with a log file and an end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much of a log is printed when a test fails.
const EXCERPT_LINES: usize = 40;
const EXCERPT_BYTES: u64 = 16 * 1024;
const POLL: Duration = Duration::from_millis(50);

/// A child process: both of its outputs go to one file, it is killed on drop, and the end of its log is
/// printed when that drop comes from a failing test.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its outputs in `folder/name.log`, appended to when the file exists (a restart).
    ///
    /// # Errors
    /// When the log can't be opened or the command can't be run.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|cause| io::Error::new(cause.kind(), format!("cannot start {name}: {cause}")))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its id, to which signals are sent.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that holds what it printed.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Everything that it printed.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn printed(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    /// The status with which it ended, none while it runs.
    ///
    /// # Errors
    /// When the system can't say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the process ends before, or the time is over.
    pub fn wait_until_ready(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        while !ready() {
            if let Some(status) = self.ended()? {
                let text = format!("{} ended before it was ready ({status})\n{}", self.name, self.excerpt());
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
    /// When the process is gone or the signal unknown.
    pub fn signal(&self, signal: &str) -> io::Result<()> {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("cannot send {signal} to {} (pid {})", self.name, self.id())))
    }

    /// Asks it to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is left running.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        self.wait(limit)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is left running.
    pub fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let mut status = None;
        let in_time = wait_until(limit, || {
            status = self.ended().ok().flatten();
            status.is_some()
        });
        match status {
            Some(status) if in_time => Ok(status),
            _ => {
                let text = format!("{} still runs after {limit:?}\n{}", self.name, self.excerpt());
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// The last lines that it printed.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let tail = tail(&self.log).unwrap_or_else(|cause| format!("(unreadable: {cause})"));
        let lines: Vec<&str> = tail.lines().collect();
        let from = lines.len().saturating_sub(EXCERPT_LINES);
        format!("--- end of {}\n{}\n---", self.log.display(), lines[from..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The print macros are captured by the test runner; a failing print must not hide the failure.
            writeln!(io::stderr(), "{}: {}", self.name, self.excerpt()).ok();
        }
        // Fails when it has ended already, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Looks every 50 ms whether `done`, for at most `limit`; says whether it came true.
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

/// How a program ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Everything that it printed.
    pub printed: String,
}

/// Runs a command to its end; what it prints also goes to `folder/name.log`.
///
/// # Errors
/// When it can't be run, or runs longer than `limit`, at which it is ended.
pub fn run_to_end(name: &str, command: Command, folder: &Path, limit: Duration) -> io::Result<Ended> {
    let mut process = Process::start(name, command, folder)?;
    let code = process.wait(limit)?.code();
    Ok(Ended { code, printed: process.printed()? })
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(EXCERPT_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
