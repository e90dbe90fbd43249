//! The HTTP edge: findings in, an outcome an item out. One validation pass, one produce batch, one answer.

mod body;
mod counts;
mod outcome;
mod server;

pub use body::{BodyError, Item, items};
pub use counts::EdgeCounts;
pub use outcome::{Outcome, answer, status};
pub use server::{EdgeServer, ServeLimits, serve};

use std::future::Future;
use std::sync::Arc;

use chassis::Clock;
use contracts::finding::{Defaults, Finding, parse};
use contracts::{Event, Topic, Violation, ids};
use domain::Timestamp;
use kafka_io::{BatchProducer, OutRecord, ProduceError, RecordMetadata, Wire};

/// What findings without a `source` are said to come from: callers have no names yet.
const NAMELESS_SOURCE: &str = "edge";

/// Whoever takes records to Kafka; one result a record, in order.
pub trait Produce: Send + Sync + 'static {
    /// Produces all of them and waits for the brokers' word.
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

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Bytes of a body.
    pub body_max_bytes: usize,
    /// Findings of a body.
    pub items_max: usize,
}

/// The edge without its socket.
pub struct Edge<P> {
    wire: Wire,
    producer: P,
    limits: EdgeLimits,
    counts: EdgeCounts,
    clock: Arc<dyn Clock>,
}

impl<P: Produce> Edge<P> {
    /// An edge that produces through `producer`.
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

    /// Takes a body in: an outcome for each finding, in order.
    ///
    /// # Errors
    /// [`BodyError`] when the body as a whole can't be used; then nothing of it was taken.
    pub async fn take(
        &self,
        body: &[u8],
        is_ndjson: bool,
        traceparent: Option<&str>,
    ) -> Result<Vec<Outcome>, BodyError> {
        let items = items(body, is_ndjson, self.limits.items_max)?;
        let open = self.counts.open(items.len());
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let defaults = Defaults { now, source: NAMELESS_SOURCE };
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
        let missing = || Outcome::Unknown { cause: "the producer gave no result".to_owned() };
        let outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|o| o.or_else(|| produced.next()).unwrap_or_else(missing)).collect();
        open.close(&outcomes);
        Ok(outcomes)
    }

    fn record(
        &self,
        item: &Item<'_>,
        defaults: &Defaults<'_>,
        traceparent: Option<&str>,
    ) -> Result<OutRecord, Outcome> {
        let text = item.as_ref().map_err(|cause| invalid(String::new(), cause.clone()))?;
        let finding = parse(text.as_bytes(), defaults)
            .map_err(|Violation { event, path, cause }| invalid(path, format!("{event}: {cause}")))?;
        let new_trace = traceparent.is_none().then(|| ids::traceparent(finding.event_id()));
        let traceparent = traceparent.or(new_trace.as_deref());
        let written = match &finding {
            Finding::Alert(alert) => self.write(alert, traceparent),
            Finding::Gap(gap) => self.write(gap, traceparent),
            Finding::Proposal(proposal) => self.write(proposal, traceparent),
        };
        written.map_err(|cause| invalid(String::new(), cause))
    }

    fn write<E: Event>(&self, event: &E, traceparent: Option<&str>) -> Result<OutRecord, String> {
        self.wire.write(event, traceparent).map_err(|fault| fault.to_string())
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
        Err(fault @ ProduceError::Full { .. }) => Outcome::Refused { cause: fault.to_string() },
        Err(fault @ (ProduceError::Failed { .. } | ProduceError::Denied { .. })) => {
            Outcome::Failed { cause: fault.to_string() }
        }
        Err(fault @ ProduceError::Unknown { .. }) => Outcome::Unknown { cause: fault.to_string() },
        Err(fault @ ProduceError::Rejected { .. }) => invalid(String::new(), fault.to_string()),
    }
}

#[cfg(test)]
mod tests;
