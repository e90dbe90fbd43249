//! Ingest of a request's findings: validate each, produce the valid ones in one batch, return an outcome for each.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use chassis::Clock;
use contracts::bounds::cut;
use contracts::finding::{Defaults, Finding, parse};
use contracts::{EncodeError, Topic, Violation, ids};
use domain::{AlertType, Timestamp};
use kafka_io::{BatchProducer, OutRecord, ProduceError, RecordMetadata, Wire};

use super::body::{BodyError, Item, items};
use super::finding_counts::EdgeCounts;
use super::outcome::Outcome;

/// The source of findings that name none. Callers are not authenticated, so the edge has no name for them.
const DEFAULT_SOURCE: &str = "edge";

/// The length to which a name is cut in a warning.
const NAME_BYTES_MAX: usize = 64;

/// A producer of batches.
pub trait Produce: Send + Sync + 'static {
    /// Returns `true` if a call would be rejected now, whatever its records.
    fn is_rejecting(&self) -> bool {
        false
    }

    /// Produces all records and waits for their acknowledgements. Returns one result per record, in order.
    fn produce(
        &self,
        records: Vec<OutRecord>,
    ) -> impl Future<Output = Vec<Result<RecordMetadata, ProduceError>>> + Send;
}

impl Produce for BatchProducer {
    fn is_rejecting(&self) -> bool {
        Self::is_rejecting(self)
    }

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
        let items = self.split(body, is_ndjson)?;
        Ok(self.publish(&items, traceparent).await)
    }

    /// Returns `true` if no finding can be published now.
    pub(super) fn is_rejecting(&self) -> bool {
        self.producer.is_rejecting()
    }

    /// Splits a body into findings, the first half of [`ingest`](Self::ingest). Counts them if there are too many.
    pub(super) fn split<'a>(&self, body: &'a [u8], is_ndjson: bool) -> Result<Vec<Item<'a>>, BodyError> {
        items(body, is_ndjson, self.limits.items_max).inspect_err(|error| {
            if let BodyError::TooMany { items, .. } = error {
                self.counts.receive(*items).reject(Outcome::INVALID);
            }
        })
    }

    /// Counts findings that are not published, because the edge is full.
    pub(super) fn reject(&self, findings: usize) {
        self.counts.receive(findings).reject(Outcome::REFUSED);
    }

    /// Publishes findings, the second half of [`ingest`](Self::ingest).
    pub(super) async fn publish(&self, items: &[Item<'_>], traceparent: Option<&str>) -> Vec<Outcome> {
        let pending = self.counts.receive(items.len());
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let defaults = Defaults { now, source: DEFAULT_SOURCE };
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(items.len());
        let (mut records, mut produced) = (Vec::new(), Vec::new());
        for item in items {
            match self.record(item, &defaults, traceparent) {
                Ok((record, warning)) => {
                    produced.push((record.topic, warning));
                    records.push(record);
                    outcomes.push(None);
                }
                Err(outcome) => outcomes.push(Some(outcome)),
            }
        }
        let results = self.producer.produce(records).await;
        let produced = produced.into_iter().zip(results);
        let mut produced = produced.map(|((topic, warning), result)| of_result(topic, warning, result));
        let missing = || Outcome::Unknown { cause: "no result from the producer".to_owned() };
        let outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|o| o.or_else(|| produced.next()).unwrap_or_else(missing)).collect();
        pending.resolve(&outcomes);
        outcomes
    }

    fn record(
        &self,
        item: &Item<'_>,
        defaults: &Defaults<'_>,
        traceparent: Option<&str>,
    ) -> Result<(OutRecord, Option<String>), Outcome> {
        let text = item.as_ref().map_err(|error| invalid(String::new(), error.to_string()))?;
        let finding = parse(text.as_bytes(), defaults)
            .map_err(|Violation { event, path, cause }| invalid(path, format!("{event}: {cause}")))?;
        let new_trace = traceparent.is_none().then(|| ids::traceparent(finding.event_id()));
        let traceparent = traceparent.or(new_trace.as_deref());
        let record = self.encode(&finding, traceparent);
        let record = record.map_err(|error| invalid(String::new(), error.to_string()))?;
        Ok((record, warning(&finding, text)))
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

/// Returns a warning if the alert type is not one of the contract: it is stored as `unknown`.
fn warning(finding: &Finding, text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Sent<'a> {
        #[serde(borrow)]
        alert_type: Cow<'a, str>,
    }

    let Finding::Alert(alert) = finding else { return None };
    if alert.alert_type != AlertType::Unknown {
        return None;
    }
    let sent: Sent<'_> = serde_json::from_str(text).ok()?;
    let is_known = sent.alert_type == AlertType::Unknown.as_str();
    let name = cut(&sent.alert_type, NAME_BYTES_MAX);
    (!is_known).then(|| format!("alert_type {name:?} is not defined and was stored as unknown"))
}

fn of_result(topic: Topic, warning: Option<String>, result: Result<RecordMetadata, ProduceError>) -> Outcome {
    match result {
        Ok(RecordMetadata { partition, offset }) => {
            Outcome::Accepted { topic: topic.name(), partition, offset, warning }
        }
        Err(
            error @ (ProduceError::Full { .. } | ProduceError::QueueFull { .. } | ProduceError::BreakerOpen),
        ) => Outcome::Refused { cause: error.to_string() },
        Err(error @ ProduceError::Failed { .. }) => Outcome::Failed { cause: error.to_string() },
        Err(error @ ProduceError::Denied { .. }) => Outcome::Denied { cause: error.to_string() },
        Err(error @ ProduceError::Unknown { .. }) => Outcome::Unknown { cause: error.to_string() },
        Err(error @ ProduceError::Rejected { .. }) => invalid(String::new(), error.to_string()),
    }
}
