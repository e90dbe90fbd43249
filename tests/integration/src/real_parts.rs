//! The broker and the registry as child processes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Process, cluster_metadata, free_port, http};

/// Three times the duration of a start during a full build on two cores.
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Returns the path of a script in `real-parts/`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("real-parts").join(name)
}

/// One Apache Kafka broker with its own cluster.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    port: u16,
    controller_port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Broker {
    /// Starts a broker with its data and log in `folder` and waits until it responds.
    ///
    /// # Errors
    /// It does not start in time; the error contains the end of its log.
    pub fn start(folder: &Path) -> io::Result<Self> {
        Self::start_with(folder, Vec::new())
    }

    /// Starts a broker with additional settings, `key=value`, which override those of the script.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_with(folder: &Path, settings: Vec<String>) -> io::Result<Self> {
        let arguments = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
        Self::start_on(folder, (free_port()?, free_port()?), arguments)
    }

    /// Starts a broker with these ports for clients and the controller, and additional arguments of `real-parts/kafka`.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_on(
        folder: &Path,
        (port, controller_port): (u16, u16),
        arguments: Vec<String>,
    ) -> io::Result<Self> {
        let process = run_broker(folder, port, controller_port, &arguments)?;
        Ok(Self { process, port, controller_port, folder: folder.to_owned(), arguments })
    }

    /// Returns its address for clients, `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns its port on the loopback address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it and starts it again with the same data and ports.
    ///
    /// # Errors
    /// It does not exit or start in time.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.terminate(STOP_LIMIT)?;
        self.process = run_broker(&self.folder, self.port, self.controller_port, &self.arguments)?;
        Ok(())
    }

    /// Runs one of Kafka's commands against it, e.g. `org.apache.kafka.tools.TopicCommand`, and returns its output.
    ///
    /// # Errors
    /// The command fails; the error contains its output.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> io::Result<String> {
        let output = Command::new(script("kafka"))
            .args(["tool", class, "--bootstrap-server", &self.address()])
            .args(arguments)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(io::Error::other(format!("{class} failed: {text}{}", String::from_utf8_lossy(&output.stderr))))
    }
}

fn run_broker(folder: &Path, port: u16, controller_port: u16, arguments: &[String]) -> io::Result<Process> {
    let mut command = Command::new(script("kafka"));
    command.arg("run").arg("--data").arg(folder.join("kafka"));
    command.arg("--port").arg(port.to_string());
    command.arg("--controller-port").arg(controller_port.to_string()).args(arguments);
    let mut process = Process::start("kafka", command, folder)?;
    process.wait_until_ready(START_LIMIT, || {
        cluster_metadata::fetch(port).is_ok_and(|it| !it.brokers.is_empty())
    })?;
    Ok(process)
}

/// A schema registry with its data in memory.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    port: u16,
}

impl Registry {
    /// Starts a registry with its log in `folder` and waits until it is ready.
    ///
    /// # Errors
    /// It does not start in time; the error contains the end of its log.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(script("registry"));
        command.arg("run").arg("--port").arg(port.to_string());
        let mut process = Process::start("registry", command, folder)?;
        process.wait_until_ready(START_LIMIT, || {
            http::request(port, "GET", "/health/ready", "").is_ok_and(|reply| reply.status == 200)
        })?;
        Ok(Self { process, port })
    }

    /// Returns the base URL of its Confluent-compatible API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, Self::API)
    }

    /// The path of that API.
    pub const API: &str = "/apis/ccompat/v7";

    /// Returns its port on the loopback address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A broker and a registry in one temporary folder.
#[derive(Debug)]
pub struct Stack {
    pub broker: Broker,
    pub registry: Registry,
    // Last, so that it is removed after the processes that write to it.
    folder: TempDir,
}

impl Stack {
    /// Starts both, one after the other.
    ///
    /// # Errors
    /// One of them does not start in time; the error contains the end of its log.
    pub fn start() -> io::Result<Self> {
        let folder = TempDir::with_prefix("tapeline-")?;
        let broker = Broker::start(folder.path())?;
        let registry = Registry::start(folder.path())?;
        Ok(Self { broker, registry, folder })
    }

    /// Returns the folder of the logs, which tests may use for their files too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
