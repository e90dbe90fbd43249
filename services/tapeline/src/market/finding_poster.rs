//! Posts findings until each is accepted or invalid.

use contracts::Topic;

use super::alert_tracker::AlertPosition;
use super::edge_client::{EdgeClient, ItemResult, PostLines, batch_len};
use super::retries::{ATTEMPTS_MAX, Retries};
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
pub struct FindingPoster<E = EdgeClient> {
    edge: E,
    retries: Retries,
}

impl<E: PostLines> FindingPoster<E> {
    /// Returns a poster of findings that may be repeated: the alerts of the scanner name their event and time.
    #[must_use]
    pub fn new(edge: E) -> Self {
        Self { edge, retries: Retries::of_unresolved() }
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
        findings: Vec<FindingText>,
        posted: &mut PostedFindings,
    ) -> Result<(), Failure> {
        let count = findings.len();
        let lines: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
        let batch = self.retries.post(&self.edge, &lines).await;
        let (mut resolved, mut last_cause) = (0, None);
        for (result, finding) in batch.results.into_iter().zip(findings) {
            resolved += usize::from(result.is_final());
            if result.is_accepted() {
                posted.alerts.extend(alert_position(&result));
                posted.warnings.extend(result.shown_warning().map(|text| (finding.line, text)));
            } else if result.is_final() {
                posted.invalid.push((finding, result.reason()));
            } else {
                last_cause = Some(result.reason());
            }
        }
        let unresolved = count - resolved;
        let text = format!("{unresolved} findings not accepted by the edge after {ATTEMPTS_MAX} attempts");
        match (batch.error, last_cause) {
            (Some(error), _) if error.is_busy() => Err(error.failure().context(&text)),
            (Some(error), _) => Err(error.failure()),
            (None, Some(cause)) => Err(Failure::unreachable(format!("{text}: {cause}"))),
            (None, None) => Ok(()),
        }
    }
}

fn alert_position(result: &ItemResult) -> Option<AlertPosition> {
    let is_alert = result.topic.as_deref() == Some(Topic::AlertRaised.name());
    is_alert.then_some((result.partition?, result.offset?))
}

#[cfg(test)]
mod tests {
    use super::super::edge_client::Posted;
    use super::super::scripted_edge::{ScriptedEdge, busy, result};
    use super::*;
    use chassis::Exit;

    async fn post(responses: Vec<Posted>) -> Result<PostedFindings, Failure> {
        let retries = Retries::of_unresolved().without_wait();
        let poster = FindingPoster { edge: ScriptedEdge::new(responses), retries };
        let finding = |line| FindingText { line: Some(line), text: "{}".to_owned() };
        poster.post(vec![finding(1), finding(2)]).await
    }

    #[tokio::test]
    async fn error_after_the_last_attempt_has_the_last_cause() {
        let accepted = Posted { results: vec![result("accepted"), result("unknown")], ..Posted::default() };
        let failure = post(vec![accepted]).await.unwrap_err();
        let expected = "1 findings not accepted by the edge after 30 attempts: cause of failed";
        assert_eq!((failure.exit(), failure.chain().as_str()), (Exit::Unreachable, expected));
    }

    #[tokio::test]
    async fn error_of_a_busy_edge_has_its_response() {
        let busy = || Posted { error: Some(busy()), ..Posted::default() };
        let failure = post((0..ATTEMPTS_MAX).map(|_| busy()).collect()).await.unwrap_err();
        let text = failure.chain();
        assert!(text.starts_with("2 findings not accepted") && text.ends_with("status 503: full"), "{text}");
    }

    #[tokio::test]
    async fn warnings_and_invalid_findings_have_their_lines() {
        let warned = ItemResult { warning: Some("stored as\nunknown".to_owned()), ..result("accepted") };
        let results = vec![result("unknown"), result("invalid")];
        let again = Posted { results: vec![warned], ..Posted::default() };
        let posted = post(vec![Posted { results, ..Posted::default() }, again]).await.unwrap();
        assert_eq!(posted.warnings, [(Some(1), "stored as\\nunknown".to_owned())]);
        assert_eq!(posted.invalid[0].0.line, Some(2));
    }
}
