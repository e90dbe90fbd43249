//! What the services of one process share: logs, metrics, health and the admin server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::admin::{Admin, AdminError, Configs, Version, View};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::health::Health;
use crate::pool;
use crate::run::{Context, Process, Service};
use crate::shutdown::Shutdown;
use crate::tasks::{self, Fate, Tasks};
use crate::telemetry::logs::{self, LogError};
use crate::telemetry::metrics::MetricsError;
use crate::telemetry::process::{self, ProcessGauges};
use crate::telemetry::{Catalogue, Logs, Metric, Metrics, poll_delay};

/// The metrics of the chassis itself; every process has them.
pub const METRICS: &[Metric] = &[
    logs::DROPPED,
    poll_delay::POLL_DELAY,
    tasks::ENDS,
    pool::JOBS,
    pool::RESTARTS,
    pool::QUEUE,
    pool::QUEUE_CAPACITY,
    process::STARTED,
    process::MEMORY,
    process::MEMORY_LIMIT,
    process::UNREADY,
    process::DRAIN,
    process::DRAIN_BUDGET,
];

/// How often the runtime's poll delay is measured.
const POLL_DELAY_EVERY: Duration = Duration::from_millis(100);

/// A process that stands: what its services share. Dropping it ends the admin server and flushes the log.
#[derive(Debug)]
pub struct Host {
    health: Health,
    metrics: Metrics,
    configs: Configs,
    admin: Admin,
    runtime: Handle,
    clock: Arc<dyn Clock>,
    own: Tasks,
    _logs: Logs,
}

/// Why a process could not stand.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No log.
    #[error("logging can't start")]
    Logs(#[from] LogError),
    /// No metrics.
    #[error("metrics can't start")]
    Metrics(#[from] MetricsError),
    /// No admin server.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

// === impl Host ===

impl Host {
    /// Starts logs, metrics and the admin server. Once a process, for logs and metrics are the process's. The tasks
    /// of the process itself end with `shutdown`, and begin it when they fail.
    ///
    /// # Errors
    ///
    /// When one of them can't start: with [`Exit::Usage`], for the configuration asks for what can't be had.
    pub fn start(
        process: &Process,
        catalogue: &Catalogue,
        version: Version,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Result<Self, Failure> {
        Self::try_start(process, catalogue, version, runtime, shutdown)
            .map_err(|fault| Failure::with(Exit::Usage, fault))
    }

    fn try_start(
        process: &Process,
        catalogue: &Catalogue,
        version: Version,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Result<Self, HostError> {
        let logs = Logs::start(&process.logs)?;
        let metrics = Metrics::new(&Catalogue::new().with(METRICS).and(catalogue))?;
        metrics.install()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let health = Health::new(Arc::clone(&clock));
        let configs = Configs::default();
        let view = View {
            health: health.clone(),
            metrics: metrics.clone(),
            configs: configs.clone(),
            version: version.clone(),
        };
        let admin = Admin::start(process.admin, view)?;
        tracing::info!(name = version.name, version = version.version, admin = %admin.address(), "process stands");
        let scope = metrics.process_scope();
        let gauges =
            ProcessGauges::new(&scope, health.clone(), shutdown.clone(), &*clock, process.drain_budget());
        metrics.before_each_scrape(move || gauges.look());
        let own = Tasks::new("process", runtime.clone(), shutdown, &scope);
        let dropped = scope.counter(&logs::DROPPED, &[]);
        let dropped_lines = logs.dropped_lines();
        let upkeep = metrics.clone().upkeep(move || dropped.absolute(dropped_lines()));
        own.spawn("metrics-upkeep", Fate::UntilShutdown, async move {
            upkeep.await;
            Ok(())
        });
        let delays = scope.histogram(&poll_delay::POLL_DELAY, &[]);
        own.spawn("poll-delay", Fate::UntilShutdown, async move {
            poll_delay::watch(POLL_DELAY_EVERY, delays).await;
            Ok(())
        });
        Ok(Self { health, metrics, configs, admin, runtime, clock, own, _logs: logs })
    }

    /// What `service` lives with; its end begins with `shutdown`, which services may share.
    #[must_use]
    pub fn context(&self, service: &'static str, shutdown: Shutdown) -> Context {
        let scope = self.metrics.scope(service);
        let health = self.health.service(service);
        Context {
            service,
            tasks: Tasks::new(service, self.runtime.clone(), shutdown.clone(), &scope),
            started: health.component("start"),
            health,
            shutdown,
            metrics: scope,
            clock: Arc::clone(&self.clock),
            runtime: self.runtime.clone(),
        }
    }

    /// Shows the service's configuration, starts it, and opens its readiness when it stands.
    ///
    /// # Errors
    ///
    /// When the service can't start.
    pub async fn launch<S: Service>(
        &self,
        config: S::Config,
        context: &Context,
    ) -> Result<S::Running, Failure> {
        self.launch_with::<S, _>(config, context, S::start).await
    }

    /// [`launch`](Self::launch) with a start of the caller's: a service whose surroundings are handed in.
    ///
    /// # Errors
    ///
    /// When the service can't start.
    pub async fn launch_with<S: Service, F>(
        &self,
        config: S::Config,
        context: &Context,
        start: impl FnOnce(S::Config, Context) -> F,
    ) -> Result<S::Running, Failure>
    where
        F: Future<Output = Result<S::Running, Failure>>,
    {
        self.configs.publish(S::NAME, config::redacted(&config));
        let running = start(config, context.clone()).await?;
        context.started.ready();
        tracing::info!(service = S::NAME, "service stands");
        Ok(running)
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The metrics of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The health of the process.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The tasks of the process itself, which belong to no service.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.own
    }
}
