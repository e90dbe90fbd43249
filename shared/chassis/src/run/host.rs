//! Parts that the services of one process share: logs, metrics, health and the admin server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::admin::{self, Admin, AdminError, Configs, Version, View};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::health::Health;
use crate::pool;
use crate::run::service::{Context, Process, Service};
use crate::shutdown::Shutdown;
use crate::tasks::{self, EndPolicy, Tasks};
use crate::telemetry::logs::{self, LogError};
use crate::telemetry::metrics::MetricsError;
use crate::telemetry::process::{self, ProcessGauges};
use crate::telemetry::{Catalogue, Logs, Metric, Metrics, poll_delay};

/// The metrics of this crate. Every process exports them.
pub const METRICS: &[Metric] = &[
    logs::DROPPED,
    poll_delay::POLL_DELAY,
    tasks::ENDS,
    pool::JOBS,
    pool::RESTARTS,
    pool::QUEUE,
    pool::QUEUE_CAPACITY,
    pool::WORKERS,
    pool::TARGET_WORKERS,
    pool::SCALE_STEPS,
    process::STARTED,
    process::MEMORY,
    process::MEMORY_LIMIT,
    process::UNREADY,
    process::DRAIN,
    process::DRAIN_BUDGET,
    process::OPEN_FDS,
    process::FDS_MAX,
    admin::METRICS.requests,
    admin::METRICS.duration,
    admin::METRICS.open_connections,
    admin::METRICS.capacity_connections,
    admin::METRICS.accept_errors,
];

/// The interval at which the poll delay of the runtime is measured.
const POLL_DELAY_EVERY: Duration = Duration::from_millis(100);

/// A started process. Dropping it stops the admin server and flushes the log.
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

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("failed to start logging")]
    Logs(#[from] LogError),
    #[error("failed to set up metrics")]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Admin(#[from] AdminError),
}

// === impl Host ===

impl Host {
    /// Starts logs, metrics and the admin server. To be called once per process, because logs and metrics are global. The tasks of the
    /// process itself end with `shutdown`, and begin it if they fail.
    ///
    /// # Errors
    /// One of the parts fails to start. The exit code is [`Exit::Usage`], because the configuration is the cause.
    pub fn start(
        process: &Process,
        catalogue: &Catalogue,
        version: Version,
        runtime: Handle,
        shutdown: Shutdown,
    ) -> Result<Self, Failure> {
        Self::try_start(process, catalogue, version, runtime, shutdown)
            .map_err(|error| Failure::with(Exit::Usage, error))
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
        let limits = process.admin_limits();
        let admin = Admin::start(process.admin, limits, view)?;
        tracing::info!(name = version.name, version = version.version, admin = %admin.address(), "process started");
        let scope = metrics.process_scope();
        let gauges =
            ProcessGauges::new(&scope, health.clone(), shutdown.clone(), &*clock, process.drain_budget());
        metrics.before_each_scrape(move || gauges.refresh());
        let own = Tasks::new("process", runtime.clone(), shutdown, &scope);
        let dropped = scope.counter(&logs::DROPPED, &[]);
        let dropped_lines = logs.dropped_lines();
        let upkeep = metrics.clone().upkeep(move || dropped.absolute(dropped_lines()));
        own.spawn("metrics-upkeep", EndPolicy::UntilShutdown, async move {
            upkeep.await;
            Ok(())
        });
        let delays = scope.histogram(&poll_delay::POLL_DELAY, &[]);
        own.spawn("poll-delay", EndPolicy::UntilShutdown, async move {
            poll_delay::watch(POLL_DELAY_EVERY, delays).await;
            Ok(())
        });
        Ok(Self { health, metrics, configs, admin, runtime, clock, own, _logs: logs })
    }

    /// Creates the context of a service. Services may share a `shutdown`.
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

    /// Publishes the service's configuration, starts the service and sets it ready.
    ///
    /// # Errors
    /// The service fails to start.
    pub async fn launch<S: Service>(
        &self,
        config: S::Config,
        context: &Context,
    ) -> Result<S::Running, Failure> {
        self.launch_with::<S, _>(config, context, S::start).await
    }

    /// As [`launch`](Self::launch), with a start function of the caller, which may pass other dependencies to the service.
    ///
    /// # Errors
    /// The service fails to start.
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
        tracing::info!(service = S::NAME, "service started");
        Ok(running)
    }

    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Returns the tasks of the process itself, which belong to no service.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.own
    }
}
