//! HTTP client of the publisher's edge.

use std::future::Future;
use std::time::Duration;

use kit::ErrorChain;
use publisher::edge::BodyError;
use serde::Deserialize;

use crate::cluster::{EdgeAddress, ResolvedEdge};
use crate::exit::{Cause, Failure};
use crate::output::escaped;

/// Findings in a request: enough to amortize the round trip.
pub const BATCH_ITEMS_MAX: usize = 500;

/// Size of a request in bytes: half of the edge's default body limit. A longer line is a request of its own.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// Timeout of one request. Longer than the edge waits for its brokers (`edge.acknowledge_timeout_ms`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Characters of a response in an error: it may be the page of another server.
const BODY_CHARACTERS_MAX: usize = 300;

/// The outcome of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemResult {
    /// `accepted`, `invalid`, `failed`, `refused` or `unknown`.
    pub outcome: String,
    /// The topic it was written to, if accepted.
    pub topic: Option<String>,
    /// The partition it was written to, if accepted.
    pub partition: Option<i32>,
    /// The offset it was written at, if accepted.
    pub offset: Option<i64>,
    /// The JSON path of the invalid value.
    pub path: Option<String>,
    /// Why it was not accepted.
    pub cause: Option<String>,
    /// Kafka denied the permission to write it, so that posting it again has no effect. Older edges do not report it.
    #[serde(default)]
    pub access_denied: bool,
    /// The values that were not stored as they were sent, if accepted.
    pub warning: Option<String>,
}

impl ItemResult {
    /// `true` if the brokers acknowledged it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome == "accepted"
    }

    /// `true` if posting it again has the same result.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_accepted() || self.outcome == "invalid"
    }

    /// `true` if it was not written, for a reason that may be temporary: posting it again writes it once.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        matches!(self.outcome.as_str(), "failed" | "refused")
    }

    /// Returns the result of an invalid finding.
    #[must_use]
    pub fn invalid(cause: String) -> Self {
        Self::not_accepted("invalid", Some(cause))
    }

    /// Returns the result of a finding that may have been accepted.
    #[must_use]
    pub fn unknown(cause: Option<String>) -> Self {
        Self::not_accepted("unknown", cause)
    }

    fn not_accepted(outcome: &str, cause: Option<String>) -> Self {
        Self {
            outcome: outcome.to_owned(),
            topic: None,
            partition: None,
            offset: None,
            path: None,
            cause,
            access_denied: false,
            warning: None,
        }
    }

    /// Returns the warning of an accepted finding, escaped: it may quote the finding.
    #[must_use]
    pub fn shown_warning(&self) -> Option<String> {
        self.warning.as_deref().map(|warning| escaped(warning, BODY_CHARACTERS_MAX))
    }

    /// Returns path and cause, escaped: both may quote the finding.
    #[must_use]
    pub fn reason(&self) -> String {
        let parts = [&self.path, &self.cause].map(|part| part.as_deref().unwrap_or_default());
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        // A finding is one line, so that a position in it is a column.
        escaped(&parts.join(": ").replace(" at line 1 column ", ", column "), BODY_CHARACTERS_MAX)
    }
}

/// A batch without a result for each of its items.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The HTTP client could not be created, or the request failed.
    #[error("edge http://{edge} unreachable")]
    Unreachable {
        edge: EdgeAddress,
        #[source]
        source: reqwest::Error,
    },
    /// The edge rejected the batch as a whole.
    #[error(
        "edge http://{edge} rejected the batch with status {status}: {}",
        escaped(body, BODY_CHARACTERS_MAX)
    )]
    Rejected { edge: EdgeAddress, status: u16, body: String },
    /// The response is not that of an edge, whether it is a success or not.
    #[error("edge http://{edge}: unexpected response with status {status}")]
    Unexpected {
        edge: EdgeAddress,
        status: u16,
        #[source]
        source: UnexpectedBody,
    },
    /// A running edge, or the one of this process, may not write to Kafka.
    #[error("Kafka denied access to {writer}: {cause}")]
    Denied { writer: String, cause: String },
    /// The edge of this process rejected the batch as a whole.
    #[error("the edge rejected the batch")]
    Unprocessed(#[source] BodyError),
}

/// The body of a response that does not have a result for each finding.
#[derive(Debug, thiserror::Error)]
pub enum UnexpectedBody {
    /// The page of another server.
    #[error("it is not the JSON of an edge ({0}): {1}")]
    OtherFormat(serde_json::Error, String),
    /// The results of other findings.
    #[error("it has {results} results for {findings} findings")]
    OtherCount { results: usize, findings: usize },
}

impl EdgeError {
    /// `true` if the edge was too busy to process the batch, so that it may be posted again.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Rejected { status: 429 | 503, .. })
    }

    /// `true` if the content of the batch is the cause: a part of it may be accepted.
    #[must_use]
    pub fn is_of_content(&self) -> bool {
        matches!(self, Self::Rejected { status: 400 | 413 | 422, .. })
    }

    /// `true` if the findings of the batch may have been accepted.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_connect() && !source.is_builder(),
            Self::Rejected { status, .. } => !self.is_busy() && !(400..500).contains(status),
            Self::Unexpected { .. } => true,
            Self::Denied { .. } | Self::Unprocessed(_) => false,
        }
    }

    /// Returns the failure of the command: a rejected batch does not mean an unreachable edge.
    #[must_use]
    pub fn failure(self) -> Failure {
        let cause = |error: Self| Cause::Error(Box::new(error));
        match self {
            Self::Unreachable { .. } | Self::Rejected { status: 429 | 500.., .. } => {
                Failure::Unreachable(cause(self))
            }
            Self::Rejected { status: 401 | 403, .. } | Self::Denied { .. } => {
                Failure::AccessDenied(cause(self))
            }
            Self::Rejected { .. } | Self::Unexpected { .. } | Self::Unprocessed(_) => {
                Failure::NotOk(cause(self))
            }
        }
    }
}

/// The results of the findings of a batch.
#[derive(Debug, Default)]
pub struct Posted {
    /// The results of its first findings, in order; of all without an error.
    pub results: Vec<ItemResult>,
    /// Number of findings after them that may have been accepted or not.
    pub in_doubt: usize,
    /// Why the rest has no results.
    pub error: Option<EdgeError>,
}

impl Posted {
    /// Adds the results of the next findings. If Kafka denied `writer` the permission to write any of them, that is the error.
    pub fn add_results(&mut self, results: Vec<ItemResult>, writer: impl std::fmt::Display) {
        if let Some(denied) = results.iter().find(|result| result.access_denied) {
            self.error = Some(EdgeError::Denied { writer: writer.to_string(), cause: denied.reason() });
        }
        self.results.extend(results);
    }
}

#[derive(Debug, Deserialize)]
struct BatchResponse {
    results: Vec<ItemResult>,
}

/// An edge: a running one, or one in this process.
pub trait PostLines {
    /// Posts lines of NDJSON once, each a finding.
    fn post(&self, lines: &[&str]) -> impl Future<Output = Posted> + Send;
}

impl<E: PostLines + Sync> PostLines for &E {
    fn post(&self, lines: &[&str]) -> impl Future<Output = Posted> + Send {
        E::post(self, lines)
    }
}

/// A client of one edge, with pooled connections.
#[derive(Debug, Clone)]
pub struct EdgeClient {
    edge: EdgeAddress,
    http: reqwest::Client,
}

impl EdgeClient {
    /// Returns a client of this edge. It connects to its socket address and names its host. For an address of this machine it never uses
    /// the proxy of the environment, which would connect to its own machine.
    ///
    /// # Errors
    /// [`EdgeError::Unreachable`] if the HTTP client cannot be created.
    pub fn new(edge: impl Into<ResolvedEdge>) -> Result<Self, EdgeError> {
        let ResolvedEdge { address, socket } = edge.into();
        let mut builder = reqwest::Client::builder().timeout(REQUEST_TIMEOUT);
        if socket.ip().to_canonical().is_loopback() || socket.ip().is_unspecified() {
            builder = builder.no_proxy();
        }
        if let Some(name) = address.name() {
            builder = builder.resolve(name, socket);
        }
        match builder.build() {
            Ok(http) => Ok(Self { edge: address, http }),
            Err(source) => Err(EdgeError::Unreachable { edge: address, source }),
        }
    }

    /// Posts lines as one batch, and returns a result for each, in order.
    async fn post_batch(&self, lines: &[&str]) -> Result<Vec<ItemResult>, EdgeError> {
        let unreachable = |source| EdgeError::Unreachable { edge: self.edge.clone(), source };
        let response = self
            .http
            .post(format!("http://{}/v1/findings", self.edge))
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n"))
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.text().await.map_err(unreachable)?;
        results_of(&self.edge, status, body, lines.len())
    }
}

/// Returns the results in a response to a batch of this number of findings.
fn results_of(
    edge: &EdgeAddress,
    status: u16,
    body: String,
    findings: usize,
) -> Result<Vec<ItemResult>, EdgeError> {
    match serde_json::from_str::<BatchResponse>(&body) {
        Ok(BatchResponse { results }) if results.len() == findings => Ok(results),
        Ok(BatchResponse { results }) => {
            let source = UnexpectedBody::OtherCount { results: results.len(), findings };
            Err(EdgeError::Unexpected { edge: edge.clone(), status, source })
        }
        Err(error) if status < 400 => {
            let source = UnexpectedBody::OtherFormat(error, escaped(&body, BODY_CHARACTERS_MAX));
            Err(EdgeError::Unexpected { edge: edge.clone(), status, source })
        }
        Err(_) => Err(EdgeError::Rejected { edge: edge.clone(), status, body }),
    }
}

impl PostLines for EdgeClient {
    /// If the edge rejects the batch because of its content, the halves are posted, so that a line that is too long
    /// costs no other one. Parts after a denied permission are not posted.
    async fn post(&self, lines: &[&str]) -> Posted {
        let mut posted = Posted::default();
        let mut parts = vec![lines];
        while let Some(part) = parts.pop().filter(|_| posted.error.is_none()) {
            match self.post_batch(part).await {
                Ok(results) => posted.add_results(results, format_args!("edge http://{}", self.edge)),
                Err(error) if error.is_of_content() && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) if error.is_of_content() => {
                    posted.results.push(ItemResult::invalid(ErrorChain(&error).to_string()));
                }
                Err(error) => {
                    posted.in_doubt = if error.is_in_doubt() { part.len() } else { 0 };
                    posted.error = Some(error);
                    break;
                }
            }
        }
        posted
    }
}

/// Returns the number of items, of these sizes in bytes, that are the next batch.
#[must_use]
pub(super) fn batch_len(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size + 1;
        bytes <= BATCH_BYTES_MAX
    };
    sizes.into_iter().take(BATCH_ITEMS_MAX).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests;
