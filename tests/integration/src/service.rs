//! A service as a process, with its configuration in a file and its admin server on a free port.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::metrics::Metrics;
use crate::{Binaries, Process, free_port, http};

/// A start takes a second or two, and much longer on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The drain budget of every service started here, milliseconds.
const DRAIN_BUDGET_MS: u64 = 15_000;
/// Maximum duration of an exit. Exit code 0 already shows that the drain budget was not exceeded.
const END_LIMIT: Duration = Duration::from_millis(DRAIN_BUDGET_MS + 5_000);

/// A started service.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    binaries: Binaries,
    folder: PathBuf,
    config: PathBuf,
    admin: u16,
    process: Process,
}

impl Service {
    /// Starts a service. `sections` is TOML that follows the section `process`; configuration and log are written to `folder`.
    ///
    /// # Errors
    /// It cannot be started. [`wait_until_ready`](Self::wait_until_ready) checks that it becomes ready.
    pub fn start(binaries: &Binaries, name: &'static str, sections: &str, folder: &Path) -> io::Result<Self> {
        let (admin, config) = (free_port()?, folder.join(format!("{name}.toml")));
        let text = format!(
            "[process]\nadmin = \"127.0.0.1:{admin}\"\ndrain_budget_ms = {DRAIN_BUDGET_MS}\n\
             logs.format = \"text\"\n\n{sections}"
        );
        std::fs::write(&config, text)?;
        let process = run(binaries, name, &config, folder)?;
        Ok(Self { name, binaries: binaries.clone(), folder: folder.to_owned(), config, admin, process })
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until `/ready` returns status 200.
    ///
    /// # Errors
    /// It exits earlier, or the limit is exceeded; the error contains the end of its log.
    pub fn wait_until_ready(&mut self) -> io::Result<()> {
        let admin = self.admin;
        let is_ready = || http::request(admin, "GET", "/ready", "").is_ok_and(|reply| reply.status == 200);
        self.process.wait_until_ready(READY_LIMIT, is_ready)
    }

    /// Returns the body of `/ready`; empty if its admin server does not respond.
    #[must_use]
    pub fn readiness(&self) -> String {
        http::request(self.admin, "GET", "/ready", "").map_or_else(|_| String::new(), |reply| reply.body)
    }

    /// Returns the port of its admin server.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.admin
    }

    /// Returns its metrics.
    ///
    /// # Errors
    /// Its admin server does not respond.
    pub fn metrics(&self) -> io::Result<Metrics> {
        Ok(Metrics::new(http::request(self.admin, "GET", "/metrics", "")?.body))
    }

    /// Sends SIGTERM, waits for the exit and returns the exit code. `None` if a signal ended it.
    ///
    /// # Errors
    /// It exceeds its drain budget; the error contains the end of its log.
    pub fn terminate(&mut self) -> io::Result<Option<i32>> {
        Ok(self.process.terminate(END_LIMIT)?.code())
    }

    /// Starts an exited service again with the same configuration and waits until it is ready.
    ///
    /// # Errors
    /// As for the first start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process = run(&self.binaries, self.name, &self.config, &self.folder)?;
        self.wait_until_ready()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn run(binaries: &Binaries, name: &str, config: &Path, folder: &Path) -> io::Result<Process> {
    let mut command = binaries.command(name);
    command.arg("--config").arg(config);
    Process::start(name, command, folder)
}
