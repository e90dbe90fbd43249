//! An edge in this process, without a socket: findings are produced to Kafka by its rules.

use std::sync::Arc;

use chassis::SystemClock;
use chassis::telemetry::Scope;
use kafka_io::{BatchProducer, Wire};
use publisher::edge::{Edge, EdgeCounts, EdgeLimits, Outcome, Produce};

use crate::market::{BATCH_ITEMS_MAX, EdgeError, ItemResult, PostLines, Posted};

pub(super) struct LocalEdge<P: Produce = BatchProducer>(Edge<P>);

impl<P: Produce> LocalEdge<P> {
    pub(super) fn new(wire: Wire, producer: P) -> Self {
        let limits = EdgeLimits { body_max_bytes: usize::MAX, items_max: BATCH_ITEMS_MAX };
        let (counts, clock) = (EdgeCounts::new(&Scope::nowhere()), Arc::new(SystemClock::new()));
        Self(Edge::new(wire, producer, limits, counts, clock))
    }
}

impl<P: Produce> PostLines for LocalEdge<P> {
    async fn post(&self, lines: &[&str]) -> Posted {
        let mut posted = Posted::default();
        match self.0.ingest(lines.join("\n").as_bytes(), true, None).await {
            Ok(outcomes) => {
                posted.add_results(outcomes.into_iter().map(item_result).collect(), "this process");
            }
            Err(error) => posted.error = Some(EdgeError::Unprocessed(error)),
        }
        posted
    }
}

fn item_result(outcome: Outcome) -> ItemResult {
    let name = Outcome::NAMES[outcome.index()].to_owned();
    let result = ItemResult { outcome: name, ..ItemResult::unknown(None) };
    match outcome {
        Outcome::Accepted { topic, partition, offset, warning } => ItemResult {
            topic: Some(topic.to_owned()),
            partition: Some(partition),
            offset: Some(offset),
            warning,
            ..result
        },
        Outcome::Invalid { path, cause } => ItemResult { path: Some(path), cause: Some(cause), ..result },
        Outcome::Denied { cause } => ItemResult { cause: Some(cause), access_denied: true, ..result },
        Outcome::Failed { cause } | Outcome::Refused { cause } | Outcome::Unknown { cause } => {
            ItemResult { cause: Some(cause), ..result }
        }
    }
}
