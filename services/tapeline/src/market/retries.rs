//! Posts a batch again until each of its findings has a final result.

use std::time::Duration;

use chassis::Shutdown;
use kit::ErrorChain;

use super::edge_client::{EdgeError, ItemResult, PostLines, Posted};

/// Wait before findings that were not written are posted again, as the edge requests it in `retry-after`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Attempts for one batch: half a minute of an edge that is overloaded or without brokers.
pub(super) const ATTEMPTS_MAX: u32 = 30;

/// The results that are posted again, and how often.
#[derive(Debug, Clone)]
pub struct Retries {
    is_repeated: fn(&ItemResult) -> bool,
    wait: Duration,
    shutdown: Shutdown,
}

impl Retries {
    /// Returns retries of the findings that were not written, so that none is written twice. They end with the shutdown.
    #[must_use]
    pub fn of_unwritten(shutdown: Shutdown) -> Self {
        Self { is_repeated: ItemResult::is_unwritten, wait: RETRY_AFTER, shutdown }
    }

    /// Returns retries of all findings without a final result. One that is in doubt may be written twice.
    #[must_use]
    pub fn of_unresolved() -> Self {
        Self { is_repeated: |result| !result.is_final(), wait: RETRY_AFTER, shutdown: Shutdown::new() }
    }

    #[cfg(test)]
    pub(crate) fn without_wait(self) -> Self {
        Self { wait: Duration::ZERO, ..self }
    }

    /// Posts the lines, and again those that are repeated or that the edge was too busy for, up to [`ATTEMPTS_MAX`] times.
    pub async fn post(&self, edge: &impl PostLines, lines: &[&str]) -> Posted {
        let mut posted = Posted::default();
        for attempt in 1..=ATTEMPTS_MAX {
            let is_open = |index: &usize| posted.results.get(*index).is_none_or(self.is_repeated);
            let open: Vec<usize> = (0..lines.len()).filter(is_open).collect();
            let texts: Vec<&str> = open.iter().map(|index| lines[*index]).collect();
            add(&mut posted, &open, edge.post(&texts).await);
            let is_temporary = match &posted.error {
                Some(error) => error.is_busy(),
                None => posted.results.iter().any(self.is_repeated),
            };
            if !is_temporary || attempt == ATTEMPTS_MAX {
                break;
            }
            tokio::select! {
                biased;
                () = self.shutdown.begun() => break,
                () = tokio::time::sleep(self.wait) => {}
            }
        }
        posted
    }
}

/// Adds what an attempt at the lines `open` returned. The findings without a result are always the last ones.
fn add(posted: &mut Posted, open: &[usize], attempt: Posted) {
    let (with_result, others) = open.split_at(attempt.results.len().min(open.len()));
    for (index, result) in with_result.iter().zip(attempt.results) {
        match posted.results.get_mut(*index) {
            Some(known) => *known = result,
            None => posted.results.push(result),
        }
    }
    for index in others.iter().take(attempt.in_doubt) {
        match posted.results.get_mut(*index) {
            Some(known) => *known = ItemResult::unknown(attempt.error.as_ref().map(cause)),
            None => posted.in_doubt += 1,
        }
    }
    posted.error = attempt.error;
}

fn cause(error: &EdgeError) -> String {
    ErrorChain(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::scripted_edge::{ScriptedEdge, busy, result, unreachable};
    use super::*;

    const LINES: [&str; 3] = ["a", "b", "c"];

    fn posted(outcomes: &[&str]) -> Posted {
        Posted { results: outcomes.iter().map(|outcome| result(outcome)).collect(), ..Posted::default() }
    }

    fn outcomes(posted: &Posted) -> Vec<&str> {
        posted.results.iter().map(|result| result.outcome.as_str()).collect()
    }

    async fn post(attempts: Vec<Posted>) -> (Posted, Vec<Vec<String>>) {
        let edge = ScriptedEdge::new(attempts);
        let retries = Retries::of_unwritten(Shutdown::new()).without_wait();
        let posted = retries.post(&edge, &LINES).await;
        (posted, edge.requests())
    }

    #[tokio::test]
    async fn findings_that_were_not_written_are_posted_again() {
        let attempts = vec![
            posted(&["failed", "unknown", "refused"]),
            posted(&["refused", "accepted"]),
            posted(&["invalid"]),
        ];
        let (posted, requests) = post(attempts).await;
        assert_eq!(outcomes(&posted), ["invalid", "unknown", "accepted"], "each at the place of its line");
        assert_eq!(requests, [vec!["a", "b", "c"], vec!["a", "c"], vec!["a"]], "unknown is not repeated");
    }

    #[tokio::test]
    async fn rest_of_a_busy_edge_is_posted_again() {
        let first = Posted { error: Some(busy()), ..posted(&["failed", "accepted"]) };
        let (posted, requests) = post(vec![first, posted(&["accepted", "accepted"])]).await;
        assert_eq!(outcomes(&posted), ["accepted"; 3]);
        assert_eq!((requests.len(), requests[1].as_slice()), (2, &["a".to_owned(), "c".to_owned()][..]));
        assert!(posted.error.is_none());
    }

    #[tokio::test]
    async fn repeated_finding_in_doubt_is_unknown() {
        let first = Posted { error: Some(busy()), ..posted(&["failed", "accepted"]) };
        let second = Posted { in_doubt: 2, error: Some(unreachable()), ..Posted::default() };
        let (posted, _) = post(vec![first, second]).await;
        assert_eq!(outcomes(&posted), ["unknown", "accepted"]);
        assert_eq!(posted.in_doubt, 1, "the last one has no result");
        assert!(posted.error.is_some_and(|error| !error.is_busy()));
    }

    #[tokio::test]
    async fn last_results_remain_after_the_last_attempt() {
        let (posted, requests) = post(Vec::new()).await;
        assert_eq!((outcomes(&posted), requests.len()), (vec!["failed"; 3], ATTEMPTS_MAX as usize));
    }

    #[tokio::test]
    async fn shutdown_ends_the_retries() {
        let shutdown = Shutdown::new();
        shutdown.begin(chassis::shutdown::Cause::Requested);
        let edge = ScriptedEdge::new(Vec::new());
        let posted = Retries::of_unwritten(shutdown).post(&edge, &LINES).await;
        assert_eq!((outcomes(&posted), edge.requests().len()), (vec!["failed"; 3], 1));
    }
}
