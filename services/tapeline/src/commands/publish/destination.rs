//! Where findings go: a running edge, or Kafka by the rules of the edge.

use std::sync::Arc;

use chassis::telemetry::Scope;
use chassis::{Shutdown, SystemClock};
use contracts::Topic;
use kafka_io::{BatchProducer, ProducerLimits, cluster as kafka_cluster};
use publisher::edge::{Edge, EdgeCounts, EdgeLimits, response_body};

use super::args::PublishArgs;
use crate::cluster;
use crate::exit::Failure;
use crate::market::{ATTEMPTS_MAX, BATCH_ITEMS_MAX, EdgeClient, EdgeError, ItemResult, RETRY_AFTER};

/// The topics that findings are written to.
const TOPICS: [Topic; 3] = [Topic::AlertRaised, Topic::GapDetected, Topic::SymbolProposed];

pub(super) enum Destination {
    /// A running edge.
    Edge(EdgeClient),
    /// Kafka, through an edge in this process without a socket.
    Kafka(Box<Edge<BatchProducer>>),
}

/// The results of the lines of a batch.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The results of its first lines, in order; of all without a failure.
    pub(super) results: Vec<ItemResult>,
    /// Number of lines after them that were sent without an acknowledgement.
    pub(super) in_doubt: usize,
    /// Why the rest has no results.
    pub(super) failure: Option<Failure>,
}

impl Destination {
    pub(super) async fn open(args: &PublishArgs) -> Result<Self, Failure> {
        if let Some(edge) = args.edge {
            return Ok(Self::Edge(EdgeClient::new(edge).map_err(EdgeError::failure)?));
        }
        let kafka = cluster::kafka(&args.cluster)?;
        tokio::task::block_in_place(|| kafka_cluster::check(&kafka, &TOPICS)).map_err(Failure::query)?;
        let registry = cluster::registry(&args.cluster)?;
        let wire = cluster::wire(&registry, &TOPICS, kafka.partitions).await?;
        let producer = BatchProducer::new(&kafka, ProducerLimits::default()).map_err(Failure::unreachable)?;
        let limits = EdgeLimits { body_max_bytes: usize::MAX, items_max: BATCH_ITEMS_MAX };
        let (counts, clock) = (EdgeCounts::new(&Scope::nowhere()), Arc::new(SystemClock::new()));
        Ok(Self::Kafka(Box::new(Edge::new(wire, producer, limits, counts, clock))))
    }

    /// Publishes the lines. A busy edge is retried for half a minute, or until the shutdown begins.
    pub(super) async fn publish(&self, lines: &[String], shutdown: &Shutdown) -> Published {
        match self {
            Self::Edge(client) => post(client, lines, shutdown).await,
            Self::Kafka(edge) => {
                let body = lines.join("\n");
                let published = match edge.ingest(body.as_bytes(), true, None).await {
                    Ok(outcomes) => serde_json::from_value(response_body(&outcomes)["results"].take())
                        .map_err(Failure::not_ok),
                    Err(error) => Err(Failure::not_ok(error)),
                };
                match published {
                    Ok(results) => Published { results, ..Published::default() },
                    Err(failure) => Published { failure: Some(failure), ..Published::default() },
                }
            }
        }
    }
}

async fn post(client: &EdgeClient, lines: &[String], shutdown: &Shutdown) -> Published {
    let mut published = Published::default();
    for attempt in 1..=ATTEMPTS_MAX {
        let posted = client.post(&lines[published.results.len()..]).await;
        published.results.extend(posted.results);
        published.in_doubt = posted.in_doubt;
        match posted.error {
            None => break,
            Some(error) if error.is_busy() && attempt < ATTEMPTS_MAX && !shutdown.is_begun() => {
                tokio::select! {
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                    () = shutdown.begun() => {}
                }
            }
            Some(error) => {
                published.failure = Some(error.failure());
                break;
            }
        }
    }
    published
}
