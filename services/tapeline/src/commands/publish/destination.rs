//! Where findings go: a running edge, or Kafka by the rules of the edge.

use contracts::Topic;
use kafka_io::{BatchProducer, ProducerLimits, cluster as kafka_cluster};

use super::args::PublishArgs;
use super::local_edge::LocalEdge;
use crate::cluster;
use crate::exit::Failure;
use crate::market::{EdgeClient, EdgeError, PostLines, Posted};

/// The topics that findings are written to.
const TOPICS: [Topic; 3] = [Topic::AlertRaised, Topic::GapDetected, Topic::SymbolProposed];

pub(super) enum Destination {
    /// A running edge.
    Edge(EdgeClient),
    /// Kafka, through an edge in this process.
    Kafka(Box<LocalEdge>),
}

impl Destination {
    pub(super) async fn open(args: &PublishArgs) -> Result<Self, Failure> {
        if let Some(edge) = &args.edge {
            let edge = edge.resolve().await.map_err(Failure::unreachable)?;
            return Ok(Self::Edge(EdgeClient::new(edge).map_err(EdgeError::failure)?));
        }
        let kafka = cluster::kafka(&args.cluster)?;
        tokio::task::block_in_place(|| kafka_cluster::check(&kafka, &TOPICS)).map_err(Failure::query)?;
        let registry = cluster::registry(&args.cluster)?;
        let wire = cluster::wire(&registry, &TOPICS, kafka.partitions).await?;
        let producer = BatchProducer::new(&kafka, ProducerLimits::default()).map_err(Failure::unreachable)?;
        Ok(Self::Kafka(Box::new(LocalEdge::new(wire, producer))))
    }
}

impl PostLines for Destination {
    async fn post(&self, lines: &[&str]) -> Posted {
        match self {
            Self::Edge(client) => client.post(lines).await,
            Self::Kafka(edge) => edge.post(lines).await,
        }
    }
}
