//! Posts findings until each is accepted or invalid.

use std::time::Duration;

use contracts::Topic;

use super::alert_tracker::AlertPosition;
use super::edge_client::{EdgeClient, EdgeError, ItemResult};
use crate::exit::Failure;

/// Wait before a retry, as the edge requests it in `retry-after`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Attempts for one batch: half a minute of an edge that is overloaded or without brokers.
const ATTEMPTS_MAX: u32 = 30;

/// Findings in a request.
const BATCH_ITEMS: usize = 500;

/// The outcome of posted findings.
#[derive(Debug, Default)]
pub struct PostedFindings {
    /// Where the accepted alerts were written.
    pub alerts: Vec<AlertPosition>,
    /// Invalid findings: the line and the reason.
    pub invalid: Vec<(String, String)>,
}

/// Posts to one edge.
#[derive(Debug, Clone)]
pub struct FindingPoster {
    edge: EdgeClient,
}

impl FindingPoster {
    #[must_use]
    pub fn new(edge: EdgeClient) -> Self {
        Self { edge }
    }

    /// Posts the lines in order. Findings whose outcome is temporary are posted again.
    ///
    /// # Errors
    /// If the edge is unreachable, rejects a whole batch, or accepts nothing for half a minute.
    pub async fn post(&self, lines: Vec<String>) -> Result<PostedFindings, Failure> {
        let mut posted = PostedFindings::default();
        for batch in lines.chunks(BATCH_ITEMS) {
            self.post_batch(batch.to_vec(), &mut posted).await?;
        }
        Ok(posted)
    }

    async fn post_batch(&self, mut lines: Vec<String>, posted: &mut PostedFindings) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let results = match self.edge.post(&lines).await {
                Ok(results) => results,
                Err(EdgeError::Rejected { status: 429 | 503, .. }) => {
                    tokio::time::sleep(RETRY_AFTER).await;
                    continue;
                }
                Err(error) => return Err(Failure::unreachable(error)),
            };
            let mut retries = Vec::new();
            for (result, line) in results.into_iter().zip(lines) {
                match result.outcome.as_str() {
                    "accepted" => posted.alerts.extend(alert_position(&result)),
                    "invalid" => posted.invalid.push((line, reason(&result))),
                    _ => retries.push(line),
                }
            }
            if retries.is_empty() {
                return Ok(());
            }
            lines = retries;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(Failure::unreachable(format!(
            "{} findings not accepted by the edge after {ATTEMPTS_MAX} attempts",
            lines.len()
        )))
    }
}

fn alert_position(result: &ItemResult) -> Option<AlertPosition> {
    let is_alert = result.topic.as_deref() == Some(Topic::AlertRaised.name());
    is_alert.then_some((result.partition?, result.offset?))
}

fn reason(result: &ItemResult) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    format!("{}: {}", text(&result.path), text(&result.cause))
}
