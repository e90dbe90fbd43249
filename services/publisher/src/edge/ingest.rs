//! Ingest of a request's findings: validate each, produce the valid ones in one batch, return an outcome for each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chassis::Clock;
use contracts::bounds::cut;
use contracts::finding::{Defaults, Finding, Parsed};
use contracts::{EncodeError, Topic, Violation, ids};
use domain::Timestamp;
use kafka_io::{BatchProducer, OutRecord, ProduceError, RecordMetadata, Wire};

use super::batch::{self, FindingError};
use super::body::BodyError;
use super::finding_counts::{EdgeCounts, Pending};
use super::json::JsonReader;
use super::outcome::Outcome;

/// The source of findings that name none. Callers are not authenticated, so the edge has no name for them.
const DEFAULT_SOURCE: &str = "edge";

/// The length to which a name is cut in a warning.
const NAME_BYTES_MAX: usize = 64;

type ProduceResult = Result<RecordMetadata, ProduceError>;

/// The results of a batch, one per record, in order.
pub type Acknowledgements = Pin<Box<dyn Future<Output = Vec<ProduceResult>> + Send>>;

/// A producer of batches.
pub trait Produce: Send + Sync + 'static {
    /// Returns `true` if a call would be rejected now, whatever its records.
    fn is_rejecting(&self) -> bool {
        false
    }

    /// Passes all records to the client library, and returns their acknowledgements.
    fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements;
}

impl Produce for BatchProducer {
    fn is_rejecting(&self) -> bool {
        Self::is_rejecting(self)
    }

    fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements {
        Box::pin(self.start(records))
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

/// The findings of a request, validated and encoded.
pub(super) struct Prepared(Vec<Encoded>);

/// The records of a request, passed to the client library.
pub(super) struct Produced {
    acknowledgements: Acknowledgements,
    findings: Vec<Result<Accepted, Outcome>>,
    pending: Pending,
}

/// The records of a request with their results.
pub(super) struct Acknowledged {
    results: Vec<ProduceResult>,
    findings: Vec<Result<Accepted, Outcome>>,
    pending: Pending,
}

/// The record of a finding, or the reason why it has none.
type Encoded = Result<(OutRecord, Option<String>), Outcome>;

/// A finding whose record was produced.
struct Accepted {
    topic: Topic,
    warning: Option<String>,
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
        let prepared = self.prepare(body, is_ndjson, traceparent)?;
        Ok(self.produce(prepared).acknowledged().await.outcomes())
    }

    /// Returns `true` if no finding can be published now.
    pub(super) fn is_rejecting(&self) -> bool {
        self.producer.is_rejecting()
    }

    /// Validates and encodes the findings of a body. Counts them if there are too many.
    pub(super) fn prepare(
        &self,
        body: &[u8],
        is_ndjson: bool,
        traceparent: Option<&str>,
    ) -> Result<Prepared, BodyError> {
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let defaults = Defaults { now, source: DEFAULT_SOURCE };
        let encode = |finding| self.record(finding, traceparent);
        let json = JsonReader::default();
        let findings = batch::read((&json, body), is_ndjson, self.limits.items_max, &defaults, encode);
        self.counts.read(json.bytes());
        findings.map(Prepared).inspect_err(|error| {
            if let BodyError::TooMany { items, .. } = error {
                self.counts.receive(*items).reject(Outcome::INVALID);
            }
        })
    }

    /// Passes the records of valid findings to the client library, as one batch.
    pub(super) fn produce(&self, Prepared(findings): Prepared) -> Produced {
        let pending = self.counts.receive(findings.len());
        let mut records = Vec::with_capacity(findings.len());
        let mut accept = |(record, warning): (OutRecord, Option<String>)| {
            let accepted = Accepted { topic: record.topic, warning };
            records.push(record);
            accepted
        };
        let findings = findings.into_iter().map(|encoded| encoded.map(&mut accept)).collect();
        Produced { acknowledgements: self.producer.produce(records), findings, pending }
    }

    fn record(&self, finding: Result<Parsed, FindingError>, traceparent: Option<&str>) -> Encoded {
        let Parsed { finding, undefined_alert_type } = finding.map_err(|error| match error {
            FindingError::Line(error) => invalid(String::new(), error.to_string()),
            FindingError::Rule(Violation { event, path, cause }) => {
                invalid(path, format!("{event}: {cause}"))
            }
        })?;
        let new_trace = traceparent.is_none().then(|| ids::traceparent(finding.event_id()));
        let traceparent = traceparent.or(new_trace.as_deref());
        let record = self.encode(&finding, traceparent);
        let record = record.map_err(|error| invalid(String::new(), error.to_string()))?;
        Ok((record, undefined_alert_type.map(|name| warning(&name))))
    }

    fn encode(&self, finding: &Finding, traceparent: Option<&str>) -> Result<OutRecord, EncodeError> {
        match finding {
            Finding::Alert(alert) => self.wire.write(alert, traceparent),
            Finding::Gap(gap) => self.wire.write(gap, traceparent),
            Finding::Proposal(proposal) => self.wire.write(proposal, traceparent),
        }
    }
}

impl Prepared {
    /// The number of findings.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Produced {
    /// Waits for the acknowledgements.
    pub(super) async fn acknowledged(self) -> Acknowledged {
        let results = self.acknowledgements.await;
        Acknowledged { results, findings: self.findings, pending: self.pending }
    }
}

impl Acknowledged {
    /// Returns the outcome of each finding, and counts them.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        let mut results = self.results.into_iter();
        let outcome_of = |finding: Result<Accepted, Outcome>| match finding {
            Err(outcome) => outcome,
            Ok(Accepted { topic, warning }) => match results.next() {
                Some(result) => of_result(topic, warning, result),
                None => Outcome::Unknown { cause: "no result from the producer".to_owned() },
            },
        };
        let outcomes: Vec<Outcome> = self.findings.into_iter().map(outcome_of).collect();
        self.pending.resolve(&outcomes);
        outcomes
    }
}

fn invalid(path: String, cause: String) -> Outcome {
    Outcome::Invalid { path, cause }
}

/// Returns the warning for an alert type that is none of the contract.
fn warning(sent: &str) -> String {
    format!("alert_type {:?} is not defined and was stored as unknown", cut(sent, NAME_BYTES_MAX))
}

fn of_result(topic: Topic, warning: Option<String>, result: ProduceResult) -> Outcome {
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
