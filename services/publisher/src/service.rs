//! Composition root of the publisher: the edge and the announcer.

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, EndPolicy, Exit, Failure, Service};
use contracts::Topic;
use hosting::{Hosted, StageSpec};
use kafka_io::{KafkaConfig, ProducerLimits, Wire, completions};
use kit::SaturatingFrom;

use crate::config::{AnnouncerSection, EdgeSection, PublisherConfig};
use crate::edge::{Edge, EdgeCounts, EdgeLimits, EdgeServer, ServeLimits, serve};
use crate::metric_names::METRICS;
use crate::rules::announce::Announcer;
use crate::stage::{AnnouncerStage, INPUT};

/// The name of the edge in reports.
pub const EDGE: &str = "publisher-edge";

/// The name of the announcer in metrics and reports.
pub const STAGE: &str = "announcer";

/// The announcer's consumer group.
pub const GROUP: &str = "tapeline.publisher.announcer";

/// The publisher.
#[derive(Debug)]
pub struct Publisher;

/// A started publisher.
pub struct Running {
    /// The address of the edge.
    pub edge: SocketAddr,
    /// Counts of the edge's findings.
    pub edge_counts: EdgeCounts,
    pub stages: Vec<Hosted>,
}

impl Service for Publisher {
    const NAME: &'static str = "publisher";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = PublisherConfig;
    type Running = Running;

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &PublisherConfig) -> &Process {
        &config.process
    }

    async fn start(config: PublisherConfig, context: Context) -> Result<Running, Failure> {
        // Before any connection, so that a port in use fails the start at once.
        let server = EdgeServer::bind(config.edge.listen).await.map_err(|e| Failure::with(Exit::Usage, e))?;
        let writes = [
            Topic::AlertRaised,
            Topic::GapDetected,
            Topic::SymbolProposed,
            Topic::SymbolQualified,
            Topic::SymbolPromoted,
        ];
        let kafka = &config.kafka.0;
        let dead_letters = Topic::PublisherDeadLetter;
        let wire = hosting::connect(&context, kafka, &config.registry, dead_letters, &writes).await?.wire;
        let stages = vec![host_announcer(&context, kafka, &config.announcer, wire.clone())?];
        let (edge, edge_counts) = (server.address(), EdgeCounts::new(&context.metrics));
        serve_edge(&context, &config, server, wire, edge_counts.clone())?;
        Ok(Running { edge, edge_counts, stages })
    }
}

fn host_announcer(
    context: &Context,
    kafka: &KafkaConfig,
    section: &AnnouncerSection,
    wire: Wire,
) -> Result<Hosted, Failure> {
    let window_micros = i64::saturating_from(section.window_ms.get().saturating_mul(1_000));
    let announcer = Announcer::new(window_micros, section.partition_windows_max);
    // The stage has no workers, so nothing is sent through this channel.
    let (_, completed) = completions(1);
    let spec = StageSpec {
        stage: STAGE,
        group: GROUP,
        inputs: vec![INPUT],
        outputs: vec![Topic::SymbolQualified, Topic::SymbolPromoted, Topic::PublisherDeadLetter],
    };
    hosting::host(context, kafka, AnnouncerStage::new(wire, announcer), completed, spec)
}

fn serve_edge(
    context: &Context,
    config: &PublisherConfig,
    server: EdgeServer,
    wire: Wire,
    counts: EdgeCounts,
) -> Result<(), Failure> {
    let EdgeSection {
        body_max_bytes,
        items_max,
        requests_max,
        body_timeout_ms,
        in_flight_max_bytes,
        acknowledge_timeout_ms,
        ..
    } = config.edge;
    let serve_limits = ServeLimits { requests_max, body_timeout: body_timeout_ms.into() };
    let limits = ProducerLimits { in_flight_max_bytes, timeout: acknowledge_timeout_ms.into() };
    let producer = hosting::producer(context, &config.kafka.0, EDGE, limits)?;
    let limits = EdgeLimits { body_max_bytes, items_max };
    let edge = Arc::new(Edge::new(wire, producer, limits, counts, Arc::clone(&context.clock)));
    let shutdown = context.shutdown.clone();
    let serving = serve(server, edge, serve_limits, async move { shutdown.begun().await });
    context.tasks.spawn(EDGE, EndPolicy::MustRun, async move { Ok(serving.await?) });
    Ok(())
}
