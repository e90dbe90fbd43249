//! What the chassis asks of a service, and what it gives to one.

use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::config::{Config, ErrorCollector, Validate};
use crate::failure::Failure;
use crate::health::{Latch, ServiceHealth};
use crate::shutdown::{Cause, Shutdown};
use crate::tasks::{Outcome, Tasks};
use crate::telemetry::logs::LogSettings;
use crate::telemetry::{Catalogue, Scope};

/// A service: how it is called, configured and started. The same start serves a process of its own and one that it
/// shares with others.
pub trait Service: 'static {
    /// Its name in logs, metrics and health; in capitals, with underscores, the prefix of its environment.
    const NAME: &'static str;
    /// The version that it shows.
    const VERSION: &'static str;
    /// Its configuration.
    type Config: Config;
    /// What a started service shows to whoever started it: addresses, say. Held until its tasks have ended.
    type Running: Send;

    /// Every metric that it and its libraries record.
    fn catalogue() -> Catalogue;

    /// The part of its configuration that is about the process; unused where several services share one.
    fn process(config: &Self::Config) -> &Process;

    /// Starts it: returns when its parts stand, which then run as tasks of `context`. Dropped when a shutdown begins
    /// before it returns.
    ///
    /// # Errors
    ///
    /// When a part can't start; the failure says the exit code.
    fn start(
        config: Self::Config,
        context: Context,
    ) -> impl Future<Output = Result<Self::Running, Failure>> + Send;
}

/// What a service is given to live with. Clones share it.
#[derive(Clone)]
pub struct Context {
    /// The service's name.
    pub service: &'static str,
    /// Where its tasks and threads run.
    pub tasks: Tasks,
    /// Where its components and loops register.
    pub health: ServiceHealth,
    /// Says when its end begins.
    pub shutdown: Shutdown,
    /// Where its metrics register.
    pub metrics: Scope,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The runtime, for threads that wait for a future.
    pub runtime: Handle,
    /// Ready between the end of the start and the beginning of the shutdown.
    pub(crate) started: Latch,
}

/// The part of a configuration that is about the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Where the admin server listens; port 0 takes any free one.
    pub admin: SocketAddr,
    /// The log.
    pub logs: LogSettings,
    /// The time that tasks have to end after a signal, milliseconds.
    pub drain_budget_ms: u64,
    /// Worker threads of the async runtime.
    pub runtime_workers: usize,
}

// === impl Context ===

impl Context {
    /// Begins the end, if nobody has, and waits for the tasks within `budget`.
    pub async fn drain(&self, budget: Duration) -> Outcome {
        self.started.not_ready("draining");
        self.shutdown.begin(Cause::Asked);
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
    /// The defaults, with the admin endpoints on this port of the loopback address: each service has its own, so that all of them
    /// run side by side on one machine.
    #[must_use]
    pub fn on_admin_port(port: u16) -> Self {
        Self { admin: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ..Self::default() }
    }

    /// The time that tasks have to end after a signal.
    #[must_use]
    pub fn drain_budget(&self) -> Duration {
        Duration::from_millis(self.drain_budget_ms)
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9_100)),
            logs: LogSettings::default(),
            drain_budget_ms: 20_000,
            runtime_workers: 2,
        }
    }
}

impl Validate for Process {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(
            self.drain_budget_ms >= 1,
            "drain_budget_ms",
            self.drain_budget_ms,
            "at least 1",
            "20000",
        );
        let workers = self.runtime_workers;
        errors.check((1..=64).contains(&workers), "runtime_workers", workers, "1 to 64", "2");
        let lines = self.logs.queue_lines;
        errors.check((1..=1_000_000).contains(&lines), "logs.queue_lines", lines, "1 to 1000000", "16384");
        let filter = &self.logs.filter;
        let readable = filter.parse::<tracing_subscriber::EnvFilter>().is_ok();
        errors.check(readable, "logs.filter", filter, "levels by target", "info,kafka_io=debug");
    }
}
