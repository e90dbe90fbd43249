//! An edge in this process, without a socket: findings are produced to Kafka by its rules.

use std::sync::{Arc, Mutex, PoisonError};

use chassis::SystemClock;
use chassis::telemetry::Scope;
use kafka_io::{BatchProducer, OutRecord, ProduceError, RecordMetadata, Wire};
use publisher::edge::{Edge, EdgeCounts, EdgeLimits, Outcome, Produce};

use crate::market::{BATCH_ITEMS_MAX, EdgeError, ItemResult, PostLines, Posted};

/// The edge, and the last permission that Kafka denied: the outcome of a finding has its text only.
pub(super) struct LocalEdge<P: Produce = BatchProducer> {
    edge: Edge<Watched<P>>,
    denied: Arc<Mutex<Option<ProduceError>>>,
}

/// A producer that keeps the error of a denied permission.
struct Watched<P> {
    producer: P,
    denied: Arc<Mutex<Option<ProduceError>>>,
}

impl<P: Produce> Produce for Watched<P> {
    async fn produce(&self, records: Vec<OutRecord>) -> Vec<Result<RecordMetadata, ProduceError>> {
        let results = self.producer.produce(records).await;
        let errors = results.iter().filter_map(|result| result.as_ref().err());
        if let Some(error) = errors.into_iter().find(|error| matches!(error, ProduceError::Denied { .. })) {
            *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        results
    }
}

impl<P: Produce> LocalEdge<P> {
    pub(super) fn new(wire: Wire, producer: P) -> Self {
        let denied = Arc::default();
        let producer = Watched { producer, denied: Arc::clone(&denied) };
        let limits = EdgeLimits { body_max_bytes: usize::MAX, items_max: BATCH_ITEMS_MAX };
        let (counts, clock) = (EdgeCounts::new(&Scope::nowhere()), Arc::new(SystemClock::new()));
        Self { edge: Edge::new(wire, producer, limits, counts, clock), denied }
    }
}

impl<P: Produce> PostLines for LocalEdge<P> {
    async fn post(&self, lines: &[&str]) -> Posted {
        match self.edge.ingest(lines.join("\n").as_bytes(), true, None).await {
            Ok(outcomes) => {
                let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner).take();
                let results = outcomes.into_iter().map(item_result).collect();
                Posted { results, error: denied.map(EdgeError::Denied), ..Posted::default() }
            }
            Err(error) => Posted { error: Some(EdgeError::Unprocessed(error)), ..Posted::default() },
        }
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
        Outcome::Failed { cause } | Outcome::Refused { cause } | Outcome::Unknown { cause } => {
            ItemResult { cause: Some(cause), ..result }
        }
    }
}
