//! The interface between the chassis and a service.

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kit::Millis;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::config::{Config, ErrorCollector, Validate};
use crate::descriptors::Part;
use crate::failure::Failure;
use crate::health::{Health, Latch, ServiceHealth};
use crate::serve::ConnectionLimits;
use crate::shutdown::{Cause, Shutdown};
use crate::tasks::{JoinOutcome, Tasks};
use crate::telemetry::logs::LogSettings;
use crate::telemetry::{Catalogue, Scope};

/// A service: its name, its configuration and its start. The start is the same in a process with one service and with several.
pub trait Service: 'static {
    /// The name in logs, metrics and health. In upper case, with underscores, it is the prefix of its environment variables.
    const NAME: &'static str;
    const VERSION: &'static str;
    type Config: Config;
    /// The result of a start for the caller, for example addresses. Kept until its tasks have ended.
    type Running: Send;

    /// Returns the names of the optional parts that the build contains.
    #[must_use]
    fn features() -> &'static [&'static str] {
        &[]
    }

    /// Returns every metric that the service and its libraries record.
    fn catalogue() -> Catalogue;

    /// Returns the process section of the configuration. Unused if several services share a process.
    fn process(config: &Self::Config) -> &Process;

    /// Returns the descriptors of the service's own servers. The process needs them in addition to those of its admin server.
    #[must_use]
    fn descriptors(_config: &Self::Config) -> Vec<Part> {
        Vec::new()
    }

    /// Starts the service. Returns when its parts have started; they run as tasks of `context`. The future is dropped if a shutdown begins
    /// before it returns.
    ///
    /// # Errors
    /// A part fails to start. The failure determines the exit code.
    fn start(
        config: Self::Config,
        context: Context,
    ) -> impl Future<Output = Result<Self::Running, Failure>> + Send;
}

/// The environment of a service. Clones share it.
#[derive(Clone)]
pub struct Context {
    pub service: &'static str,
    /// Runs its tasks and threads.
    pub tasks: Tasks,
    /// Registers its components and loops.
    pub health: ServiceHealth,
    /// The token that is cancelled when the service must end.
    pub shutdown: Shutdown,
    /// Registers its metrics.
    pub metrics: Scope,
    pub clock: Arc<dyn Clock>,
    /// The async runtime, for threads that wait for a future.
    pub runtime: Handle,
    /// Ready from the end of the start to the beginning of the shutdown.
    pub(crate) started: Latch,
}

/// The process section of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Address of the admin server. Port 0 selects a free port.
    pub admin: SocketAddr,
    /// Maximum number of open connections of the admin server. 64 is enough for probes, two Prometheus servers and some people.
    pub admin_connections_max: usize,
    /// Time within which the head of a request to the admin server must arrive, in milliseconds; then its connection is closed.
    pub admin_head_timeout_ms: Millis,
    /// Time that a connection of the admin server may be idle, in milliseconds; then it is closed. 60 s is longer than the interval of
    /// scrapes and probes, so that they keep their connections.
    pub admin_idle_timeout_ms: Millis,
    /// Format, level and buffering of the log.
    pub logs: LogSettings,
    /// Maximum duration of the drain after a signal, milliseconds.
    pub drain_budget_ms: Millis,
    /// Number of worker threads of the async runtime.
    pub runtime_workers: usize,
}

// === impl Context ===

impl Context {
    /// Creates a context without a process, whose metrics do nothing: for tests of parts of a service.
    #[must_use]
    pub fn for_tests(service: &'static str, clock: Arc<dyn Clock>, runtime: Handle) -> Self {
        let (shutdown, metrics) = (Shutdown::new(), Scope::nowhere());
        let health = Health::new(Arc::clone(&clock)).service(service);
        Self {
            service,
            tasks: Tasks::new(service, runtime.clone(), shutdown.clone(), &metrics),
            started: health.component("start"),
            health,
            shutdown,
            metrics,
            clock,
            runtime,
        }
    }

    /// Begins the shutdown, unless it has begun, and waits for the tasks within `budget`.
    pub async fn drain(&self, budget: Duration) -> JoinOutcome {
        self.started.not_ready("draining");
        self.shutdown.begin(Cause::Requested);
        let cause = self.shutdown.cause().map(|cause| cause.to_string());
        tracing::info!(service = self.service, cause, ?budget, "draining");
        self.tasks.join(budget).await
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("service", &self.service).finish_non_exhaustive()
    }
}

// === impl Process ===

impl Process {
    /// Returns the defaults, with the admin server on this port of the loopback address. Each service has its own default port, so that
    /// all services can run on one machine.
    #[must_use]
    pub fn on_admin_port(port: u16) -> Self {
        Self { admin: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ..Self::default() }
    }

    /// Returns the limits of the admin server.
    #[must_use]
    pub fn admin_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.admin_connections_max,
            head_timeout: self.admin_head_timeout_ms.into(),
            idle_timeout: self.admin_idle_timeout_ms.into(),
        }
    }

    /// Returns the descriptors of the admin server.
    #[must_use]
    pub fn descriptors(&self) -> Part {
        Part::of_server("process.admin_connections_max", &self.admin_limits())
    }

    /// Returns the maximum duration of the drain after a signal.
    #[must_use]
    pub fn drain_budget(&self) -> Duration {
        self.drain_budget_ms.as_duration()
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9_100)),
            admin_connections_max: 64,
            admin_head_timeout_ms: Millis::new(10_000),
            admin_idle_timeout_ms: Millis::new(60_000),
            logs: LogSettings::default(),
            drain_budget_ms: Millis::new(20_000),
            runtime_workers: 2,
        }
    }
}

impl Validate for Process {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(
            !self.drain_budget_ms.is_zero(),
            "drain_budget_ms",
            self.drain_budget_ms,
            "at least 1",
            "20000",
        );
        let connections = self.admin_connections_max;
        errors.check(connections >= 1, "admin_connections_max", connections, "at least 1", "64");
        let head = self.admin_head_timeout_ms;
        errors.check(!head.is_zero(), "admin_head_timeout_ms", head, "at least 1", "10000");
        let idle = self.admin_idle_timeout_ms;
        errors.check(!idle.is_zero(), "admin_idle_timeout_ms", idle, "at least 1", "60000");
        let workers = self.runtime_workers;
        errors.check((1..=64).contains(&workers), "runtime_workers", workers, "1 to 64", "2");
        let lines = self.logs.queue_lines;
        errors.check((1..=1_000_000).contains(&lines), "logs.queue_lines", lines, "1 to 1000000", "16384");
        let filter = &self.logs.filter;
        let is_valid = filter.parse::<tracing_subscriber::EnvFilter>().is_ok();
        errors.check(is_valid, "logs.filter", filter, "levels by target", "info,kafka_io=debug");
    }
}
