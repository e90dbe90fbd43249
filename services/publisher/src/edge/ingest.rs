//! Ingest of a request's findings: validate each, produce the valid ones in one batch, return an outcome for each.

use std::future::Future;
use std::sync::Arc;

use chassis::Clock;
use contracts::finding::{Defaults, Finding, parse};
use contracts::{EncodeError, Topic, Violation, ids};
use domain::Timestamp;
use kafka_io::{BatchProducer, OutRecord, ProduceError, RecordMetadata, Wire};

use super::body::{BodyError, Item, items};
use super::finding_counts::EdgeCounts;
use super::outcome::Outcome;

/// The source of findings that name none. Callers are not authenticated, so the edge has no name for them.
const DEFAULT_SOURCE: &str = "edge";

/// A producer of batches.
pub trait Produce: Send + Sync + 'static {
    /// Produces all records and waits for their acknowledgements. Returns one result per record, in order.
    fn produce(
        &self,
        records: Vec<OutRecord>,
    ) -> impl Future<Output = Vec<Result<RecordMetadata, ProduceError>>> + Send;
}

impl Produce for BatchProducer {
    async fn produce(&self, records: Vec<OutRecord>) -> Vec<Result<RecordMetadata, ProduceError>> {
        Self::produce(self, records).await
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Maximum size of the body, in bytes.
    pub body_max_bytes: usize,
    /// Maximum number of findings.
    pub items_max: usize,
}

/// The edge without its socket.
pub struct Edge<P> {
    wire: Wire,
    producer: P,
    pub(super) limits: EdgeLimits,
    counts: EdgeCounts,
    clock: Arc<dyn Clock>,
}

impl<P: Produce> Edge<P> {
    #[must_use]
    pub fn new(
        wire: Wire,
        producer: P,
        limits: EdgeLimits,
        counts: EdgeCounts,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { wire, producer, limits, counts, clock }
    }

    /// Publishes the findings of a body. Returns an outcome for each, in order.
    ///
    /// If `traceparent` is `None`, each finding starts a trace of its own.
    ///
    /// # Errors
    /// [`BodyError`] if the body as a whole is invalid. Then none of its findings was published.
    pub async fn ingest(
        &self,
        body: &[u8],
        is_ndjson: bool,
        traceparent: Option<&str>,
    ) -> Result<Vec<Outcome>, BodyError> {
        let items = items(body, is_ndjson, self.limits.items_max)?;
        let pending = self.counts.receive(items.len());
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let defaults = Defaults { now, source: DEFAULT_SOURCE };
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(items.len());
        let mut records = Vec::new();
        for item in &items {
            match self.record(item, &defaults, traceparent) {
                Ok(record) => {
                    records.push(record);
                    outcomes.push(None);
                }
                Err(outcome) => outcomes.push(Some(outcome)),
            }
        }
        let topics: Vec<Topic> = records.iter().map(|record| record.topic).collect();
        let results = self.producer.produce(records).await;
        let mut produced = topics.into_iter().zip(results).map(|(topic, result)| of_result(topic, result));
        let missing = || Outcome::Unknown { cause: "no result from the producer".to_owned() };
        let outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|o| o.or_else(|| produced.next()).unwrap_or_else(missing)).collect();
        pending.resolve(&outcomes);
        Ok(outcomes)
    }

    fn record(
        &self,
        item: &Item<'_>,
        defaults: &Defaults<'_>,
        traceparent: Option<&str>,
    ) -> Result<OutRecord, Outcome> {
        let text = item.as_ref().map_err(|error| invalid(String::new(), error.to_string()))?;
        let finding = parse(text.as_bytes(), defaults)
            .map_err(|Violation { event, path, cause }| invalid(path, format!("{event}: {cause}")))?;
        let new_trace = traceparent.is_none().then(|| ids::traceparent(finding.event_id()));
        let traceparent = traceparent.or(new_trace.as_deref());
        self.encode(&finding, traceparent).map_err(|error| invalid(String::new(), error.to_string()))
    }

    fn encode(&self, finding: &Finding, traceparent: Option<&str>) -> Result<OutRecord, EncodeError> {
        match finding {
            Finding::Alert(alert) => self.wire.write(alert, traceparent),
            Finding::Gap(gap) => self.wire.write(gap, traceparent),
            Finding::Proposal(proposal) => self.wire.write(proposal, traceparent),
        }
    }
}

fn invalid(path: String, cause: String) -> Outcome {
    Outcome::Invalid { path, cause }
}

fn of_result(topic: Topic, result: Result<RecordMetadata, ProduceError>) -> Outcome {
    match result {
        Ok(RecordMetadata { partition, offset }) => {
            Outcome::Accepted { topic: topic.name(), partition, offset }
        }
        Err(error @ ProduceError::Full { .. }) => Outcome::Refused { cause: error.to_string() },
        Err(error @ (ProduceError::Failed { .. } | ProduceError::Denied { .. })) => {
            Outcome::Failed { cause: error.to_string() }
        }
        Err(error @ ProduceError::Unknown { .. }) => Outcome::Unknown { cause: error.to_string() },
        Err(error @ ProduceError::Rejected { .. }) => invalid(String::new(), error.to_string()),
    }
}
