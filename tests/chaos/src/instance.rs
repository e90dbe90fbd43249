//! One service process of the fleet: its configuration, how it is started, and how it ended.

use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use integration::{Metrics, Process, free_port, request};

use crate::clock::Clock;
use crate::ending;
use crate::plan::{Service, Target};

/// What all instances are told.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where our binaries are.
    pub binaries: PathBuf,
    /// Where each instance has its folder.
    pub folder: PathBuf,
    /// Bootstrap servers.
    pub brokers: String,
    /// Bootstrap servers through the proxies, for the last instance of each service.
    pub proxied: String,
    /// The registry, through its proxy.
    pub registry: String,
    /// Partitions of every topic.
    pub partitions: i32,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// An instance, running or not.
#[derive(Debug)]
pub struct Instance {
    /// Which one.
    pub target: Target,
    /// Whether it is started again when it ends.
    pub is_wanted: bool,
    /// Whether the storm ended it.
    pub is_ending: bool,
    /// Whether its log is on a full disk.
    pub is_log_full: bool,
    binary: PathBuf,
    folder: PathBuf,
    admin: u16,
    clock: Option<Clock>,
    process: Option<Process>,
}

// === impl Instance ===

impl Instance {
    /// Writes its configuration; it isn't started.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn new(
        setting: &Setting,
        target: Target,
        is_proxied: bool,
        clock: Option<Clock>,
    ) -> io::Result<Self> {
        let (folder, admin) = (setting.folder.join(target.to_string()), free_port()?);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("config.toml"), config(setting, target, is_proxied, admin, &folder))?;
        Ok(Self {
            target,
            is_wanted: true,
            is_ending: false,
            is_log_full: false,
            binary: setting.binaries.join(target.service.name()),
            folder,
            admin,
            clock,
            process: None,
        })
    }

    /// Starts it, with its clock set right.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn start(&mut self) -> io::Result<()> {
        ending::refuse_after_signal()?;
        let mut command = if self.is_log_full {
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
        self.is_ending = false;
        self.process = Some(Process::start("log", command, &self.folder)?);
        Ok(())
    }

    /// Sends a signal, if it runs.
    pub fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            // It may have ended by itself just now, which the supervisor sees.
            process.signal(signal).ok();
        }
    }

    /// How it ended, and the end of its log; once, if it did.
    pub fn ended(&mut self) -> Option<(Ending, String)> {
        let status = self.process.as_mut()?.ended().ok()??;
        let log = self.log_excerpt();
        self.process = None;
        Some((Ending::of(status), log))
    }

    /// Whether there is a process.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_excerpt(&self) -> String {
        self.process.as_ref().map(Process::excerpt).unwrap_or_default()
    }

    /// Moves its clock forward, where that was prepared.
    ///
    /// # Errors
    /// When the clock's file can't be written.
    pub fn jump(&self, seconds: i64) -> io::Result<()> {
        self.clock.as_ref().map_or(Ok(()), |clock| clock.set(seconds))
    }

    /// Where it tells what it counts.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.admin
    }
}

/// Whether the process behind an admin port is ready.
#[must_use]
pub fn is_ready(admin: u16) -> bool {
    request(admin, "GET", "/ready", "").is_ok_and(|reply| reply.status == 200)
}

/// What it counts.
///
/// # Errors
/// When it doesn't answer.
pub fn metrics(admin: u16) -> io::Result<Metrics> {
    Ok(Metrics::new(request(admin, "GET", "/metrics", "")?.body))
}

/// Times are shorter than by default, so that a run sees many sessions end; windows and limits are such that no alert waits or
/// expires for another reason than a fault.
fn config(setting: &Setting, target: Target, is_proxied: bool, admin: u16, folder: &Path) -> String {
    let Setting { brokers, proxied, registry, partitions, .. } = setting;
    let own = match target.service {
        Service::Bridge => "[alerts]\ngroup_symbols_per_s = 1000000\n",
        Service::Feature => "[requests]\nttl_ms = 7200000\nworkers = 2\n",
    };
    // Kept over restarts: what starts while the registry misbehaves starts from here.
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

// === impl Ending ===

impl Ending {
    fn of(status: ExitStatus) -> Self {
        // A process that has ended has a code or a signal.
        status.code().map_or(Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
