//! A PostgreSQL server as a child process.

use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Process, free_port, script};

/// A start takes two seconds, and much longer on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A PostgreSQL server with the user and database `tapeline`.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    // Last, so that it is removed after the process that writes to it.
    folder: TempDir,
}

impl Postgres {
    /// Starts a server with a new database and waits until it accepts connections.
    ///
    /// # Errors
    /// It does not start in time; the error contains the end of its log.
    pub fn start() -> io::Result<Self> {
        let folder = TempDir::with_prefix("tapeline-")?;
        // The server does not run as root, and has to pass through this folder.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let port = free_port()?;
        let process = run(&folder, port)?;
        Ok(Self { process, port, folder })
    }

    /// Returns the address of its database `tapeline`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("tapeline")
    }

    /// Returns the address of a database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://tapeline@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database.
    ///
    /// # Errors
    /// The server rejects it.
    pub fn create_database(&self, name: &str) -> io::Result<()> {
        self.query(&format!("create database {name}")).map(drop)
    }

    /// Runs a statement in the database `tapeline`, and returns its first column.
    ///
    /// # Errors
    /// The server rejects it.
    pub fn query(&self, sql: &str) -> io::Result<String> {
        let output =
            Command::new("psql").args(["--no-psqlrc", "--quiet", "-tA", "-c", sql, &self.url()]).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Returns the number of statements that the server has logged. It logs them after `alter role tapeline set log_statement = 'all'`.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn logged_statements(&self) -> io::Result<usize> {
        let log = std::fs::read_to_string(self.process.log())?;
        let is_statement =
            |line: &&str| line.contains(" LOG:  statement: ") || line.contains(" LOG:  execute ");
        Ok(log.lines().filter(is_statement).count())
    }

    /// Stops the server: connections end with an error.
    ///
    /// # Errors
    /// It does not exit in time.
    pub fn stop(&mut self) -> io::Result<()> {
        // A fast shutdown: it does not wait for clients.
        self.process.signal("INT")?;
        self.process.wait(STOP_LIMIT).map(drop)
    }

    /// Starts a stopped server again with the same data and port.
    ///
    /// # Errors
    /// It does not start in time.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process = run(&self.folder, self.port)?;
        Ok(())
    }
}

fn run(folder: &TempDir, port: u16) -> io::Result<Process> {
    let mut command = Command::new(script("postgres"));
    command.arg("run").arg("--port").arg(port.to_string());
    command.arg("--data").arg(folder.path().join("postgres"));
    let mut process = Process::start("postgres", command, folder.path())?;
    process.wait_until_ready(START_LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(process)
}
