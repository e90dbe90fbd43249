//! The four services in this process, on one telemetry and one admin server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use backfill::config::BackfillConfig;
use backfill::service::Backfill;
use chassis::admin::Version;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::telemetry::logs::{Format, LogSettings};
use chassis::{Context, Exit, Host, Service, Shutdown};
use contracts::Topic;
use feature::config::FeatureConfig;
use feature::service::Feature;
use hosting::{Hosted, KafkaSection, RegistrySection};
use kafka_io::{KafkaConfig, RegistryConfig, StageCounts, Wire};
use publisher::config::PublisherConfig;
use publisher::edge::EdgeCounts;
use publisher::service::Publisher;
use scanner_bridge::config::BridgeConfig;
use scanner_bridge::service::Bridge;
use tokio::runtime::Handle;

use super::bars::History;
use crate::cli::DevArgs;
use crate::exit::Failure;
use crate::report::StageReport;

/// How long each service may drain.
const DRAIN_BUDGET: Duration = Duration::from_secs(15);

/// How long the services may take to get ready.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// The services, running.
pub(super) struct Services {
    host: Host,
    contexts: Vec<Context>,
    edge: SocketAddr,
    edge_counts: EdgeCounts,
    hosted: Vec<Hosted>,
    market_wire: Wire,
}

/// How the services ended.
pub(super) struct Drained {
    /// What each stage counted, by name.
    pub(super) counts: BTreeMap<&'static str, StageReport>,
    /// The first task that failed.
    pub(super) failure: Option<Failure>,
}

impl Services {
    /// Starts all four and waits until they are ready.
    pub(super) async fn start(
        args: &DevArgs,
        kafka: &KafkaConfig,
        registry_url: &str,
        history: History,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let process = process(args);
        let version = Version { name: "tapeline", version: env!("CARGO_PKG_VERSION") };
        let catalogue = catalogue();
        let host = Host::start(&process, &catalogue, version, Handle::current(), shutdown.clone())
            .map_err(of_chassis)?;
        let registry =
            RegistrySection(RegistryConfig { url: registry_url.to_owned(), ..RegistryConfig::default() });
        let kafka_section = KafkaSection(kafka.clone());
        let mut contexts = Vec::new();
        let mut context = |name| {
            let context = host.context(name, shutdown.clone());
            contexts.push(context.clone());
            context
        };

        let mut config = PublisherConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            ..PublisherConfig::default()
        };
        config.edge.listen = args.edge;
        let publisher_context = context(Publisher::NAME);
        let publisher = host.launch::<Publisher>(config, &publisher_context).await.map_err(of_chassis)?;

        let config = BridgeConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            ..BridgeConfig::default()
        };
        let bridge = host.launch::<Bridge>(config, &context(Bridge::NAME)).await.map_err(of_chassis)?;

        let config = FeatureConfig {
            process: process.clone(),
            kafka: kafka_section.clone(),
            registry: registry.clone(),
            ..FeatureConfig::default()
        };
        let feature = host.launch::<Feature>(config, &context(Feature::NAME)).await.map_err(of_chassis)?;

        let config = backfill_config(process, kafka_section, registry.clone());
        let backfill_context = context(Backfill::NAME);
        let backfill = host
            .launch_with::<Backfill, _>(config, &backfill_context, |config, context| {
                backfill::service::start_with(config, Arc::new(history), context)
            })
            .await
            .map_err(of_chassis)?;

        let hosted = [publisher.stages, backfill, bridge, feature].concat();
        let (dead_letters, writes) = (Topic::PublisherDeadLetter, [Topic::BarClosed]);
        let connection = hosting::connect(&publisher_context, kafka, &registry, dead_letters, &writes);
        let market_wire = connection.await.map_err(of_chassis)?.wire;
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
        if tokio::time::timeout(READY_PATIENCE, ready).await.is_err() {
            let waiting = health.readiness().waiting;
            return Err(Failure::NotOk(format!(
                "not ready after {} s: {waiting:?}",
                READY_PATIENCE.as_secs()
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

    /// For the market's own bars.
    pub(super) fn market_wire(&self) -> Wire {
        self.market_wire.clone()
    }

    /// What each stage has counted so far, by name.
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

    /// Input records that no stage has taken in yet.
    pub(super) fn lag(&self) -> u64 {
        self.hosted.iter().map(|hosted| hosted.counts.seen().waiting).sum()
    }

    /// Ends them: each drains within its budget. What a stage holds then, and gives back to its group, is held in the counts.
    pub(super) async fn drain(self) -> Drained {
        let before: Vec<u64> =
            self.hosted.iter().map(|hosted| hosted.counts.seen().counts.returned).collect();
        let mut failure = None;
        for context in &self.contexts {
            let outcome = context.drain(DRAIN_BUDGET).await;
            if let Some(failed) = outcome.failed.first() {
                let text = format!("{}: {}: {}", context.service, failed.task, failed.error);
                failure.get_or_insert(of_exit(failed.exit, text));
            }
            for task in &outcome.stragglers {
                let text = format!("{}: {task} outlived its drain budget", context.service);
                failure.get_or_insert(Failure::NotOk(text));
            }
        }
        let mut counts = self.counts();
        for (hosted, before) in self.hosted.iter().zip(before) {
            let released = hosted.counts.seen().counts.returned - before;
            if let Some(stage) = counts.get_mut(hosted.stage) {
                stage.received += released;
                stage.held += released;
            }
        }
        Drained { counts, failure }
    }
}

fn catalogue() -> Catalogue {
    Publisher::catalogue().and(&Bridge::catalogue()).and(&Feature::catalogue()).and(&Backfill::catalogue())
}

fn process(args: &DevArgs) -> Process {
    // What a person who watches a run wants to know is on the screen; the log says what is wrong.
    let logs = LogSettings { format: Format::Text, filter: "warn".to_owned(), ..LogSettings::default() };
    Process { admin: args.admin, logs, ..Process::default() }
}

/// Day bars of market data alone, as the replayed market has them.
fn backfill_config(process: Process, kafka: KafkaSection, registry: RegistrySection) -> BackfillConfig {
    let mut config = BackfillConfig { process, kafka, registry, ..BackfillConfig::default() };
    config.market_data_in_day_bars();
    config
}

/// Records given back to the group are counted again when they are delivered again.
fn report(counts: &StageCounts) -> StageReport {
    let counts = counts.seen().counts;
    StageReport {
        received: counts.received - counts.returned,
        emitted: counts.emitted,
        dropped: counts.dropped.iter().map(|(reason, count)| (reason.0.to_owned(), count)).collect(),
        rejected: counts.rejected,
        held: counts.held,
    }
}

fn of_chassis(failure: chassis::Failure) -> Failure {
    of_exit(failure.exit(), failure.to_string())
}

fn of_exit(exit: Exit, text: String) -> Failure {
    match exit {
        Exit::Usage => Failure::Usage(text),
        Exit::Unreachable => Failure::Unreachable(text),
        Exit::Refused => Failure::Refused(text),
        _ => Failure::NotOk(text),
    }
}
