//! HTTP client of the publisher's edge.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

/// Timeout of one request. Longer than the edge waits for its brokers (`edge.acknowledge_timeout_ms`).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The outcome of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemResult {
    /// Its index in the batch.
    pub index: usize,
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
}

impl ItemResult {
    /// `true` if the brokers acknowledged it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome == "accepted"
    }
}

/// A batch without a result for each of its items.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The HTTP client could not be created, or the request failed.
    #[error("edge http://{edge} unreachable")]
    Unreachable {
        edge: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    /// The edge rejected the batch as a whole.
    #[error("edge http://{edge} rejected the batch with status {status}: {body}")]
    Rejected { edge: SocketAddr, status: u16, body: String },
}

#[derive(Debug, Deserialize)]
struct BatchResponse {
    results: Vec<ItemResult>,
}

/// A client of one edge, with pooled connections.
#[derive(Debug, Clone)]
pub struct EdgeClient {
    edge: SocketAddr,
    http: reqwest::Client,
}

impl EdgeClient {
    /// Returns a client of the edge at this address.
    ///
    /// # Errors
    /// [`EdgeError::Unreachable`] if the HTTP client cannot be created.
    pub fn new(edge: SocketAddr) -> Result<Self, EdgeError> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|source| EdgeError::Unreachable { edge, source })?;
        Ok(Self { edge, http })
    }

    /// Posts lines of NDJSON as one batch, and returns a result for each, in order.
    ///
    /// # Errors
    /// [`EdgeError`] if there is no result for each item.
    pub async fn post(&self, lines: &[String]) -> Result<Vec<ItemResult>, EdgeError> {
        let unreachable = |source| EdgeError::Unreachable { edge: self.edge, source };
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
        match serde_json::from_str::<BatchResponse>(&body) {
            Ok(response) if response.results.len() == lines.len() => Ok(response.results),
            _ => Err(EdgeError::Rejected { edge: self.edge, status, body }),
        }
    }
}
