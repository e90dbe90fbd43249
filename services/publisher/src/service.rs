//! The one place where the publisher is put together: the edge and the announcer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, EndPolicy, Exit, Failure, Service};
use contracts::Topic;
use hosting::{Hosted, StageSpec};
use kafka_io::{BatchProducer, KafkaConfig, ProducerLimits, Wire, completions};

use crate::config::{AnnouncerSection, EdgeSection, PublisherConfig};
use crate::edge::{Edge, EdgeCounts, EdgeLimits, EdgeServer, ServeLimits, serve};
use crate::metric_names::METRICS;
use crate::rules::announce::Announcer;
use crate::stage::{AnnouncerStage, INPUT};

/// What the edge is called in reports.
pub const EDGE: &str = "publisher-edge";

/// What the announcer is called in metrics and reports.
pub const STAGE: &str = "announcer";

/// The announcer's consumer group.
pub const GROUP: &str = "tapeline.publisher.announcer";

/// The publisher.
#[derive(Debug)]
pub struct Publisher;

/// A publisher that runs.
pub struct Running {
    /// Where the edge listens.
    pub edge: SocketAddr,
    /// What became of the edge's items.
    pub edge_counts: EdgeCounts,
    /// The announcer.
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
        // A port in use is known before anything is connected.
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
    let window_micros = i64::try_from(section.window_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let announcer = Announcer::new(window_micros, section.partition_windows_max);
    // No work is done elsewhere, so nothing ever comes back through this.
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
    let EdgeSection { body_max_bytes, items_max, in_flight_max_bytes, acknowledge_timeout_ms, .. } =
        config.edge;
    let serve_limits = ServeLimits {
        requests_max: config.edge.requests_max,
        body_timeout: Duration::from_millis(config.edge.body_timeout_ms),
    };
    let timeout = Duration::from_millis(acknowledge_timeout_ms);
    let limits = ProducerLimits { in_flight_max_bytes, timeout };
    let producer =
        BatchProducer::new(&config.kafka.0, limits).map_err(|e| Failure::with(Exit::Unreachable, e))?;
    let limits = EdgeLimits { body_max_bytes, items_max };
    let edge = Arc::new(Edge::new(wire, producer, limits, counts, Arc::clone(&context.clock)));
    let shutdown = context.shutdown.clone();
    let serving = serve(server, edge, serve_limits, async move { shutdown.begun().await });
    context.tasks.spawn(EDGE, EndPolicy::MustRun, async move { Ok(serving.await?) });
    Ok(())
}
