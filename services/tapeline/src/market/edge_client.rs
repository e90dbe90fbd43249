//! Posts findings to the publisher's edge and reads what became of each.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

/// How long an answer may take: the edge itself gives up on its brokers earlier (see its `acknowledge_timeout_ms`).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What became of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemResult {
    /// Its place in the batch.
    pub index: usize,
    /// accepted, invalid, failed, refused or unknown.
    pub outcome: String,
    /// Where it lies, when accepted.
    pub topic: Option<String>,
    /// Where it lies, when accepted.
    pub partition: Option<i32>,
    /// Where it lies, when accepted.
    pub offset: Option<i64>,
    /// Where in the finding the fault is.
    pub path: Option<String>,
    /// What the fault is.
    pub cause: Option<String>,
}

impl ItemResult {
    /// Whether the brokers acknowledged it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome == "accepted"
    }
}

/// Why a batch got no answer for its items.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// Nobody answers there.
    #[error("the edge at http://{edge} can't be reached: {cause}")]
    Unreachable {
        /// The address.
        edge: SocketAddr,
        /// What the system said.
        cause: String,
    },
    /// The batch as a whole was refused.
    #[error("the edge at http://{edge} refused the batch with status {status}: {cause}")]
    Refused {
        /// The address.
        edge: SocketAddr,
        /// The HTTP status.
        status: u16,
        /// What it said.
        cause: String,
    },
}

#[derive(Debug, Deserialize)]
struct Answer {
    results: Vec<ItemResult>,
}

/// One edge, over a pooled connection.
#[derive(Debug, Clone)]
pub struct EdgeClient {
    edge: SocketAddr,
    http: reqwest::Client,
}

impl EdgeClient {
    /// A client of the edge at this address.
    ///
    /// # Errors
    /// [`EdgeError::Unreachable`] when no HTTP client can be made at all.
    pub fn new(edge: SocketAddr) -> Result<Self, EdgeError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|e| EdgeError::Unreachable { edge, cause: e.to_string() })?;
        Ok(Self { edge, http })
    }

    /// Posts lines of NDJSON as one batch; the results are in their order.
    ///
    /// # Errors
    /// [`EdgeError`] when there is no result for each item.
    pub async fn post(&self, lines: &[String]) -> Result<Vec<ItemResult>, EdgeError> {
        let unreachable = |e: reqwest::Error| EdgeError::Unreachable { edge: self.edge, cause: causes(&e) };
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
        match serde_json::from_str::<Answer>(&body) {
            Ok(answer) if answer.results.len() == lines.len() => Ok(answer.results),
            _ => Err(EdgeError::Refused { edge: self.edge, status, cause: body }),
        }
    }
}

/// An error with all its causes: reqwest's own text leaves out why a connection failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
