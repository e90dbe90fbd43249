//! Posts findings until each has its final outcome.

use std::time::Duration;

use contracts::Topic;

use crate::edge_client::{EdgeClient, EdgeError, ItemResult};
use crate::exit::Failure;
use crate::flow::Place;

/// What the edge asks callers to wait before they try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Attempts at one batch: half a minute of an edge that is full or without brokers.
const ATTEMPTS_MAX: u32 = 30;

/// Findings a request.
const BATCH_ITEMS: usize = 500;

/// What became of posted findings.
#[derive(Debug, Default)]
pub struct Posted {
    /// Where the accepted alerts lie.
    pub alerts: Vec<Place>,
    /// Findings that the edge will never take: the line, and why.
    pub refused: Vec<(String, String)>,
}

/// Posts to one edge.
#[derive(Debug, Clone)]
pub struct Poster {
    edge: EdgeClient,
}

impl Poster {
    /// Posts through this client.
    #[must_use]
    pub fn new(edge: EdgeClient) -> Self {
        Self { edge }
    }

    /// Posts the lines in order. What the edge says may work later is posted again.
    ///
    /// # Errors
    /// When the edge can't be reached, refuses a whole batch, or takes nothing for half a minute.
    pub async fn post(&self, lines: Vec<String>) -> Result<Posted, Failure> {
        let mut posted = Posted::default();
        for batch in lines.chunks(BATCH_ITEMS) {
            self.post_batch(batch.to_vec(), &mut posted).await?;
        }
        Ok(posted)
    }

    async fn post_batch(&self, mut lines: Vec<String>, posted: &mut Posted) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let results = match self.edge.post(&lines).await {
                Ok(results) => results,
                Err(EdgeError::Refused { status: 429 | 503, .. }) => {
                    tokio::time::sleep(RETRY_AFTER).await;
                    continue;
                }
                Err(fault) => return Err(Failure::Unreachable(fault.to_string())),
            };
            let mut again = Vec::new();
            for (result, line) in results.into_iter().zip(lines) {
                match result.outcome.as_str() {
                    "accepted" => posted.alerts.extend(alert_place(&result)),
                    "invalid" => posted.refused.push((line, fault(&result))),
                    _ => again.push(line),
                }
            }
            if again.is_empty() {
                return Ok(());
            }
            lines = again;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(Failure::Unreachable(format!(
            "the edge took none of {} findings in {ATTEMPTS_MAX} attempts",
            lines.len()
        )))
    }
}

fn alert_place(result: &ItemResult) -> Option<Place> {
    let is_alert = result.topic.as_deref() == Some(Topic::AlertRaised.name());
    is_alert.then_some((result.partition?, result.offset?))
}

fn fault(result: &ItemResult) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    format!("{}: {}", text(&result.path), text(&result.cause))
}
