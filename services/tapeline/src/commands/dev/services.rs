//! The four services in this process, with one telemetry and one admin server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backfill::config::BackfillConfig;
use backfill::service::Backfill;
use chassis::descriptors::Part;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::telemetry::logs::{Format, LogSettings};
use chassis::{Context, Exit, Host, Service, Shutdown};
use contracts::Topic;
use feature::config::FeatureConfig;
use feature::service::Feature;
use hosting::{Hosted, KafkaSection, RegistrySection};
use kafka_io::{KafkaConfig, RegistryConfig, StageCounts, Wire};
use publisher::config::{EdgeSection, PublisherConfig};
use publisher::edge::EdgeCounts;
use publisher::service::Publisher;
use scanner_bridge::config::BridgeConfig;
use scanner_bridge::service::Bridge;
use tokio::runtime::Handle;

use super::args::DevArgs;
use super::history::History;
use crate::exit::{Cause, Failure};
use crate::market::StageReport;
use crate::version::VERSION;

/// Drain timeout of each service.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Time limit until all services are ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections of the edge: enough for the scanners of one machine. With those of the admin server and the 256 of the process, all
/// services need 448 file descriptors, which any common limit allows.
const EDGE_CONNECTIONS_MAX: usize = 64;

/// The running services.
pub(super) struct Services {
    host: Host,
    contexts: Vec<Context>,
    edge: SocketAddr,
    edge_counts: EdgeCounts,
    hosted: Vec<Hosted>,
    market_wire: Wire,
}

/// The end of the services.
pub(super) struct Drained {
    /// The counts of each stage, by name.
    pub(super) counts: BTreeMap<&'static str, StageReport>,
    /// The first task that failed.
    pub(super) failure: Option<Failure>,
}

impl Services {
    /// Starts all services and waits until they are ready.
    pub(super) async fn start(
        args: &DevArgs,
        kafka: &KafkaConfig,
        registry_url: &str,
        history: History,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let process = process(args);
        let catalogue = catalogue();
        let host = Host::start(&process, &catalogue, VERSION, Handle::current(), shutdown.clone())
            .map_err(chassis_failure)?;
        let registry =
            RegistrySection(RegistryConfig { url: registry_url.to_owned(), ..RegistryConfig::default() });
        let kafka_section = KafkaSection(kafka.clone());
        let mut contexts = Vec::new();
        let mut context = |name| {
            let context = host.context(name, shutdown.clone());
            contexts.push(context.clone());
            context
        };

        let config = PublisherConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            edge: edge(args),
            ..PublisherConfig::default()
        };
        let publisher_context = context(Publisher::NAME);
        let publisher =
            host.launch::<Publisher>(config, &publisher_context).await.map_err(chassis_failure)?;

        let config = BridgeConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            ..BridgeConfig::default()
        };
        let bridge = host.launch::<Bridge>(config, &context(Bridge::NAME)).await.map_err(chassis_failure)?;

        let config = FeatureConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            ..FeatureConfig::default()
        };
        let feature =
            host.launch::<Feature>(config, &context(Feature::NAME)).await.map_err(chassis_failure)?;

        let config = backfill_config(process, kafka_section, registry.clone());
        let backfill_context = context(Backfill::NAME);
        let backfill = host
            .launch_with::<Backfill, _>(config, &backfill_context, |config, context| {
                backfill::service::start_with(config, Arc::new(history), context)
            })
            .await
            .map_err(chassis_failure)?;

        let hosted = [publisher.stages, backfill, bridge, feature].concat();
        let (dead_letters, writes) = (Topic::PublisherDeadLetter, [Topic::BarClosed]);
        let connection = hosting::connect(&publisher_context, kafka, &registry, dead_letters, &writes, &[]);
        let market_wire = connection.await.map_err(chassis_failure)?.wire;
        let (edge, edge_counts) = (publisher.edge, publisher.edge_counts);
        let services = Self { host, contexts, edge, edge_counts, hosted, market_wire };
        services.wait_until_ready().await?;
        Ok(services)
    }

    async fn wait_until_ready(&self) -> Result<(), Failure> {
        let health = self.host.health();
        let shutdown = &self.contexts[0].shutdown;
        let ready = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !health.readiness().ready && !shutdown.is_begun() {
                ticks.tick().await;
            }
        };
        if tokio::time::timeout(READY_TIMEOUT, ready).await.is_err() {
            let waiting = health.readiness().waiting;
            return Err(Failure::not_ok(format!(
                "services not ready after {} s: waiting for {waiting:?}",
                READY_TIMEOUT.as_secs()
            )));
        }
        Ok(())
    }

    pub(super) fn edge(&self) -> SocketAddr {
        self.edge
    }

    pub(super) fn admin(&self) -> SocketAddr {
        self.host.admin().address()
    }

    pub(super) fn hosted(&self) -> Vec<Hosted> {
        self.hosted.clone()
    }

    /// Returns the wire by which the market writes its bars.
    pub(super) fn market_wire(&self) -> Wire {
        self.market_wire.clone()
    }

    /// Returns the counts of each stage so far, by name.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, StageReport> {
        let edge = StageReport {
            received: self.edge_counts.received(),
            emitted: self.edge_counts.accepted(),
            dropped: BTreeMap::new(),
            rejected: self.edge_counts.rejected(),
            held: self.edge_counts.held(),
        };
        let stages = self.hosted.iter().map(|hosted| (hosted.stage, report(&hosted.counts)));
        stages.chain([(publisher::service::EDGE, edge)]).collect()
    }

    /// Returns the number of input records that are not processed yet.
    pub(super) fn lag(&self) -> u64 {
        self.hosted.iter().map(|hosted| hosted.counts.latest().lag).sum()
    }

    /// Stops the services. Each drains within [`DRAIN_TIMEOUT`]. Records that a stage holds then and releases count as held.
    pub(super) async fn drain(self) -> Drained {
        let before: Vec<u64> =
            self.hosted.iter().map(|hosted| hosted.counts.latest().counts.redelivered).collect();
        let mut failure = None;
        for context in &self.contexts {
            let outcome = context.drain(DRAIN_TIMEOUT).await;
            if let Some(failed) = outcome.failed.first() {
                let text = format!("{}: task {} failed: {}", context.service, failed.task, failed.error);
                failure.get_or_insert(exit_failure(failed.exit, text));
            }
            for task in &outcome.unfinished {
                let text = format!("{}: drain timeout exceeded: task {task} still runs", context.service);
                failure.get_or_insert(Failure::not_ok(text));
            }
        }
        let mut counts = self.counts();
        for (hosted, before) in self.hosted.iter().zip(before) {
            let released = hosted.counts.latest().counts.redelivered - before;
            if let Some(stage) = counts.get_mut(hosted.stage) {
                stage.received += released;
                stage.held += released;
            }
        }
        Drained { counts, failure }
    }
}

/// Returns the descriptors of all servers.
pub(super) fn descriptors(args: &DevArgs) -> Vec<Part> {
    let publisher = PublisherConfig { edge: edge(args), ..PublisherConfig::default() };
    [vec![process(args).descriptors()], Publisher::descriptors(&publisher)].concat()
}

fn edge(args: &DevArgs) -> EdgeSection {
    EdgeSection { listen: args.edge, connections_max: EDGE_CONNECTIONS_MAX, ..EdgeSection::default() }
}

fn catalogue() -> Catalogue {
    Publisher::catalogue().and(&Bridge::catalogue()).and(&Feature::catalogue()).and(&Backfill::catalogue())
}

fn process(args: &DevArgs) -> Process {
    // Progress is printed; the log has only warnings and errors.
    let logs = LogSettings { format: Format::Text, filter: "warn".to_owned(), ..LogSettings::default() };
    Process { admin: args.admin, logs, ..Process::default() }
}

/// Returns a configuration that fetches day bars of market data only, as the replayed market has them.
fn backfill_config(process: Process, kafka: KafkaSection, registry: RegistrySection) -> BackfillConfig {
    let mut config = BackfillConfig { process, kafka, registry, ..BackfillConfig::default() };
    config.market_data_in_day_bars();
    config
}

/// Released records are subtracted: they count again when they are redelivered.
fn report(counts: &StageCounts) -> StageReport {
    let counts = counts.latest().counts;
    StageReport {
        received: counts.received - counts.redelivered,
        emitted: counts.emitted,
        dropped: counts.dropped.iter().map(|(reason, count)| (reason.0.to_owned(), count)).collect(),
        rejected: counts.rejected,
        held: counts.held,
    }
}

fn chassis_failure(failure: chassis::Failure) -> Failure {
    exit_failure(failure.exit(), failure.to_string())
}

fn exit_failure(exit: Exit, message: String) -> Failure {
    let cause = Cause::Message(message);
    match exit {
        Exit::Usage => Failure::Usage(cause),
        Exit::Unreachable => Failure::Unreachable(cause),
        Exit::Refused => Failure::AccessDenied(cause),
        _ => Failure::NotOk(cause),
    }
}
