//! A service of ours as a process, with its configuration in a file and its admin endpoints on a port of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::metrics::Metrics;
use crate::{Binaries, Process, free_port, http};

/// A start takes a second or two; a loaded machine makes it many.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// The drain budget of every service started here, milliseconds.
const DRAIN_BUDGET_MS: u64 = 15_000;
/// What the end of a process may take beside its drain: exit code 0 already says that the budget was kept.
const END_LIMIT: Duration = Duration::from_millis(DRAIN_BUDGET_MS + 5_000);

/// A service that was started.
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
    /// Starts the binary of this name. `sections` is TOML that follows the section `process`; configuration and log go to
    /// `folder`.
    ///
    /// # Errors
    /// When it can't be started; whether it comes up is told by [`wait_until_ready`](Self::wait_until_ready).
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

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until `/ready` says so.
    ///
    /// # Errors
    /// When it ends before, or isn't ready in time, with the end of its log.
    pub fn wait_until_ready(&mut self) -> io::Result<()> {
        let admin = self.admin;
        let is_ready = || http::request(admin, "GET", "/ready", "").is_ok_and(|reply| reply.status == 200);
        self.process.wait_until_ready(READY_LIMIT, is_ready)
    }

    /// What it counts.
    ///
    /// # Errors
    /// When its admin endpoints don't answer.
    pub fn metrics(&self) -> io::Result<Metrics> {
        Ok(Metrics::new(http::request(self.admin, "GET", "/metrics", "")?.body))
    }

    /// Sends SIGTERM, waits for the end, and gives the exit code; none when a signal ended it.
    ///
    /// # Errors
    /// When it outlives its drain budget, with the end of its log.
    pub fn terminate(&mut self) -> io::Result<Option<i32>> {
        Ok(self.process.terminate(END_LIMIT)?.code())
    }

    /// Starts one that has ended again, with the same configuration, and waits until it is ready.
    ///
    /// # Errors
    /// As for the first start.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.process = run(&self.binaries, self.name, &self.config, &self.folder)?;
        self.wait_until_ready()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn run(binaries: &Binaries, name: &str, config: &Path, folder: &Path) -> io::Result<Process> {
    let mut command = binaries.command(name);
    command.arg("--config").arg(config);
    Process::start(name, command, folder)
}
