//! One service process: its configuration, start and exit.

use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use integration::{Metrics, Process, free_port, request};

use crate::clock::Clock;
use crate::service::{Service, Target};
use crate::signals;

/// The settings of all instances.
#[derive(Debug, Clone)]
pub struct InstanceSettings {
    /// The folder of the service binaries.
    pub binaries: PathBuf,
    /// The folder that contains a folder per instance.
    pub folder: PathBuf,
    /// Bootstrap servers.
    pub brokers: String,
    /// Bootstrap servers through the proxies, for the last instance of each service.
    pub proxied: String,
    /// The URL of the registry, through its proxy.
    pub registry: String,
    /// Partitions of every topic.
    pub partitions: i32,
    /// The port of the publisher's edge.
    pub edge: u16,
}

/// The cause of an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCause {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// An instance, running or not.
#[derive(Debug)]
pub struct Instance {
    pub target: Target,
    /// `true` if the supervisor restarts it.
    pub is_wanted: bool,
    /// `true` if the storm stopped it.
    pub is_stopped_by_storm: bool,
    /// `true` if its log is on a full disk.
    pub has_full_log_disk: bool,
    binary: PathBuf,
    folder: PathBuf,
    admin: u16,
    clock: Option<Clock>,
    process: Option<Process>,
}

// === impl Instance ===

impl Instance {
    /// Creates an instance and writes its configuration, without starting it.
    ///
    /// # Errors
    /// Its folder cannot be written.
    pub fn new(
        settings: &InstanceSettings,
        target: Target,
        is_proxied: bool,
        clock: Option<Clock>,
    ) -> io::Result<Self> {
        let (folder, admin) = (settings.folder.join(target.to_string()), free_port()?);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("config.toml"), config(settings, target, is_proxied, admin, &folder))?;
        Ok(Self {
            target,
            is_wanted: true,
            is_stopped_by_storm: false,
            has_full_log_disk: false,
            binary: settings.binaries.join(target.service.name()),
            folder,
            admin,
            clock,
            process: None,
        })
    }

    /// Starts it with a correct clock.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self) -> io::Result<()> {
        signals::check_not_interrupted()?;
        let mut command = if self.has_full_log_disk {
            let mut shell = Command::new("sh");
            shell.args(["-c", "exec \"$0\" \"$@\" >/dev/full 2>&1"]).arg(&self.binary);
            shell
        } else {
            Command::new(&self.binary)
        };
        command.arg("--config").arg(self.folder.join("config.toml")).process_group(0);
        if let Some(clock) = &self.clock {
            clock.prepare(&mut command)?;
        }
        self.is_stopped_by_storm = false;
        self.process = Some(Process::start("log", command, &self.folder)?);
        Ok(())
    }

    /// Sends a signal if it is running.
    pub fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            // Fails if it has just exited, which the supervisor detects.
            process.signal(signal).ok();
        }
    }

    /// Returns the cause of its exit and the end of its log, once. `None` if it has not exited.
    pub fn ended(&mut self) -> Option<(ExitCause, String)> {
        let status = self.process.as_mut()?.ended().ok()??;
        let log = self.log_excerpt();
        self.process = None;
        Some((ExitCause::of(status), log))
    }

    /// Returns whether it has a process.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Returns the end of its log.
    #[must_use]
    pub fn log_excerpt(&self) -> String {
        self.process.as_ref().map(Process::excerpt).unwrap_or_default()
    }

    /// Sets its clock forward, if it has a changeable one.
    ///
    /// # Errors
    /// The offset file cannot be written.
    pub fn jump(&self, seconds: i64) -> io::Result<()> {
        self.clock.as_ref().map_or(Ok(()), |clock| clock.set(seconds))
    }

    /// Returns the port of its admin server.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.admin
    }
}

/// Returns whether the process with this admin port is ready.
#[must_use]
pub fn is_ready(admin: u16) -> bool {
    request(admin, "GET", "/ready", "").is_ok_and(|reply| reply.status == 200)
}

/// Returns the metrics of the process with this admin port.
///
/// # Errors
/// It does not respond.
pub fn metrics(admin: u16) -> io::Result<Metrics> {
    Ok(Metrics::new(request(admin, "GET", "/metrics", "")?.body))
}

/// Timeouts are shorter than the defaults, so that many sessions expire in a run; windows and limits are such that no alert waits
/// or expires for any other reason than a fault.
fn config(
    settings: &InstanceSettings,
    target: Target,
    is_proxied: bool,
    admin: u16,
    folder: &Path,
) -> String {
    let InstanceSettings { brokers, proxied, registry, partitions, edge, .. } = settings;
    let own = match target.service {
        Service::Bridge => "[alerts]\ngroup_symbols_per_s = 1000000\n".to_owned(),
        Service::Feature => "[requests]\nttl_ms = 7200000\nworkers_max = 2\n".to_owned(),
        Service::Publisher => format!("[edge]\nlisten = \"127.0.0.1:{edge}\"\n"),
        // Many chunks, so that kills are in the middle of backfills.
        Service::Backfill => "[planner]\nliquid = [\"market_data\"]\n\n[source]\nkind = \"synthetic\"\n\n\
             [executor]\ntimeframes = [\"1day\"]\nday_bars_chunk_days = 14\ngather_ms = 200\n"
            .to_owned(),
    };
    // Kept over restarts: an instance that starts without the registry uses the cached schemas.
    let cache = folder.join("schemas");
    format!(
        "[process]\nadmin = \"127.0.0.1:{admin}\"\ndrain_budget_ms = 10000\nlogs.format = \"text\"\n\n\
         [kafka]\nbrokers = \"{}\"\npartitions = {partitions}\nordinal = {}\nsession_timeout_ms = 6000\n\
         drain_budget_ms = 4000\ncommit_timeout_ms = 3000\ntransaction_timeout_ms = 10000\n\n\
         [registry]\nurl = \"{registry}\"\ncache_folder = \"{}\"\n\n{own}",
        if is_proxied { proxied } else { brokers },
        target.ordinal,
        cache.display(),
    )
}

// === impl ExitCause ===

impl ExitCause {
    fn of(status: ExitStatus) -> Self {
        // A process that has exited has a code or a signal.
        status.code().map_or(Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
