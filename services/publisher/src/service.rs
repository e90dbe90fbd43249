//! Composition root of the publisher: the edge and the announcer.

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::run::Process;
use chassis::serve::ConnectionLimits;
use chassis::telemetry::Catalogue;
use chassis::{Context, EndPolicy, Exit, Failure, Service, descriptors};
use contracts::Topic;
use hosting::{Hosted, Part, StageSpec};
use kafka_io::{KafkaConfig, ProducerLimits, Wire, completions};
use kit::SaturatingFrom;

use crate::config::{AnnouncerSection, EdgeSection, PublisherConfig};
use crate::edge::{
    AdmissionLimits, Edge, EdgeCounts, EdgeLimits, EdgeMetrics, EdgeServer, ServeLimits, memory_parts, serve,
};
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

    fn features() -> &'static [&'static str] {
        kafka_io::FEATURES
    }

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &PublisherConfig) -> &Process {
        &config.process
    }

    fn descriptors(config: &PublisherConfig) -> Vec<descriptors::Part> {
        vec![descriptors::Part::of_server("edge.connections_max", &serve_limits(&config.edge).connections)]
    }

    async fn start(config: PublisherConfig, context: Context) -> Result<Running, Failure> {
        // Before any connection, so that a configuration that cannot work fails the start at once.
        let reserved = hosting::reserve(&config.kafka.0, memory_parts(&config.edge))?;
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
        // The announcer reads what the edge and itself write.
        let connection =
            hosting::connect(&context, kafka, &config.registry, dead_letters, &writes, &[]).await?;
        let wire = connection.wire;
        let stages = vec![host_announcer(&context, kafka, &config.announcer, wire.clone())?];
        let (edge, edge_counts) = (server.address(), EdgeCounts::new(&context.metrics));
        serve_edge(&context, &config, (server, reserved), wire, edge_counts.clone())?;
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
        memory: vec![Part::in_partitions(
            "announcer.partition_windows_max",
            kafka,
            section.partition_windows_max,
            Announcer::WINDOW_BYTES_MAX,
        )],
    };
    hosting::host(context, kafka, AnnouncerStage::new(wire, announcer), completed, spec)
}

fn serve_edge(
    context: &Context,
    config: &PublisherConfig,
    (server, reserved): (EdgeServer, impl Send + 'static),
    wire: Wire,
    counts: EdgeCounts,
) -> Result<(), Failure> {
    let section = &config.edge;
    let limits = ProducerLimits {
        in_flight_max_bytes: section.in_flight_max_bytes,
        timeout: section.acknowledge_timeout_ms.into(),
    };
    let producer = hosting::producer(context, &config.kafka.0, EDGE, limits)?;
    let limits = EdgeLimits { body_max_bytes: section.body_max_bytes, items_max: section.items_max };
    let edge = Arc::new(Edge::new(wire, producer, limits, counts, Arc::clone(&context.clock)));
    let (limits, metrics) = (serve_limits(section), EdgeMetrics::new(&context.metrics));
    let serving = serve(server, edge, limits, metrics, context.shutdown.clone());
    context.tasks.spawn(EDGE, EndPolicy::MustRun, async move {
        // Released when the edge has ended.
        let _reserved = reserved;
        serving.await;
        Ok(())
    });
    Ok(())
}

/// Returns the limits of the edge's server.
#[must_use]
pub fn serve_limits(section: &EdgeSection) -> ServeLimits {
    ServeLimits {
        connections: ConnectionLimits {
            connections_max: section.connections_max,
            head_timeout: section.head_timeout_ms.into(),
            idle_timeout: section.idle_timeout_ms.into(),
        },
        admission: AdmissionLimits {
            requests_max: section.requests_max,
            bytes_max: section.bodies_max_bytes,
            peer_share: section.peer_share,
            request_bytes_max: section.request_max_bytes(),
            wait: section.wait_ms.into(),
        },
        body_timeout: section.body_timeout_ms.into(),
    }
}
