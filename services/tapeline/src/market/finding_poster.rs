//! Posts findings until each is accepted or invalid.

use contracts::Topic;

use super::alert_tracker::AlertPosition;
use super::edge_client::{ATTEMPTS_MAX, EdgeClient, EdgeError, ItemResult, RETRY_AFTER, batch_len};
use crate::exit::Failure;

/// A finding to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingText {
    /// The number of its line in the file of findings. `None`: the scanner's own.
    pub line: Option<u64>,
    /// A JSON object on one line.
    pub text: String,
}

/// The outcome of posted findings.
#[derive(Debug, Default)]
pub struct PostedFindings {
    /// Where the accepted alerts were written.
    pub alerts: Vec<AlertPosition>,
    /// Invalid findings with the reason.
    pub invalid: Vec<(FindingText, String)>,
    /// The warnings of accepted findings, with the numbers of their lines.
    pub warnings: Vec<(Option<u64>, String)>,
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

    /// Posts the findings in order. Those whose outcome is temporary are posted again.
    ///
    /// # Errors
    /// If the edge is unreachable, rejects all requests, or accepts nothing for half a minute.
    pub async fn post(&self, mut findings: Vec<FindingText>) -> Result<PostedFindings, Failure> {
        let mut posted = PostedFindings::default();
        while !findings.is_empty() {
            let rest = findings.split_off(batch_len(findings.iter().map(|finding| finding.text.len())));
            self.post_batch(findings, &mut posted).await?;
            findings = rest;
        }
        Ok(posted)
    }

    async fn post_batch(
        &self,
        mut findings: Vec<FindingText>,
        posted: &mut PostedFindings,
    ) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let lines: Vec<String> = findings.iter().map(|finding| finding.text.clone()).collect();
            let batch = self.edge.post(&lines).await;
            let without_result = findings.split_off(batch.results.len());
            let mut retries = Vec::new();
            for (result, finding) in batch.results.into_iter().zip(findings) {
                match result.outcome.as_str() {
                    "accepted" => {
                        posted.alerts.extend(alert_position(&result));
                        posted.warnings.extend(result.shown_warning().map(|text| (finding.line, text)));
                    }
                    "invalid" => posted.invalid.push((finding, result.reason())),
                    _ => retries.push(finding),
                }
            }
            if let Some(error) = batch.error.filter(|error| !EdgeError::is_busy(error)) {
                return Err(error.failure());
            }
            retries.extend(without_result);
            if retries.is_empty() {
                return Ok(());
            }
            findings = retries;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(Failure::unreachable(format!(
            "{} findings not accepted by the edge after {ATTEMPTS_MAX} attempts",
            findings.len()
        )))
    }
}

fn alert_position(result: &ItemResult) -> Option<AlertPosition> {
    let is_alert = result.topic.as_deref() == Some(Topic::AlertRaised.name());
    is_alert.then_some((result.partition?, result.offset?))
}
