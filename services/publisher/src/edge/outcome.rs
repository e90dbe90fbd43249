//! Outcome of each finding of a request, and the response made of the outcomes.

use serde::Serialize;

/// The outcome of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The brokers acknowledged the record.
    Accepted {
        topic: &'static str,
        partition: i32,
        offset: i64,
        /// A part of the finding that was not stored as it was sent.
        warning: Option<String>,
    },
    /// The finding violates a rule. It was not produced, and a retry has the same outcome.
    Invalid {
        /// The path to the invalid field, as `metrics.rsi`; empty for the finding as a whole.
        path: String,
        cause: String,
    },
    /// The record was not written. A retry may succeed.
    Failed {
        /// The error of the client library or the brokers.
        cause: String,
    },
    /// Kafka denied the publisher the permission to write: the record was not written, and a retry fails until it is granted. It is
    /// named as [`Self::Failed`] and marked.
    Denied { cause: String },
    /// The edge is full or shutting down, and did not try to produce the record. A retry may succeed.
    Refused { cause: String },
    /// The acknowledgement timed out: the record is in doubt. A retry with the same `event_id` and `occurred_at` is safe; without
    /// them the finding may be duplicated.
    Unknown { cause: String },
}

impl Outcome {
    /// The names of the outcomes in the response, in the order of [`Self::index`].
    pub const NAMES: [&str; 5] = ["accepted", "invalid", "failed", "refused", "unknown"];

    pub(super) const INVALID: usize = 1;
    const FAILED: usize = 2;
    const REFUSED: usize = 3;
    pub(super) const UNKNOWN: usize = 4;

    /// Returns the index of its name in [`Self::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Accepted { .. } => 0,
            Self::Invalid { .. } => Self::INVALID,
            Self::Failed { .. } | Self::Denied { .. } => Self::FAILED,
            Self::Refused { .. } => Self::REFUSED,
            Self::Unknown { .. } => Self::UNKNOWN,
        }
    }

    /// Returns `true` if a retry of the unchanged finding may succeed, that of a denied one after a change of the permissions.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Accepted { .. } | Self::Invalid { .. })
    }
}

/// One element of `results` in the response.
#[derive(Debug, Serialize)]
struct OutcomeJson<'a> {
    index: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// `true` for [`Outcome::Denied`], otherwise left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    access_denied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
}

/// The body of the response.
#[derive(Debug, Serialize)]
struct ResultsJson<'a> {
    results: Vec<OutcomeJson<'a>>,
}

impl<'a> OutcomeJson<'a> {
    fn of(index: usize, outcome: &'a Outcome) -> Self {
        let mut json = Self {
            index,
            outcome: Outcome::NAMES[outcome.index()],
            topic: None,
            partition: None,
            offset: None,
            path: None,
            cause: None,
            access_denied: matches!(outcome, Outcome::Denied { .. }),
            warning: None,
        };
        json.cause = match outcome {
            Outcome::Accepted { topic, partition, offset, warning } => {
                (json.topic, json.partition, json.offset) = (Some(*topic), Some(*partition), Some(*offset));
                json.warning = warning.as_deref();
                None
            }
            Outcome::Invalid { path, cause } => {
                json.path = Some(path.as_str());
                Some(cause.as_str())
            }
            Outcome::Failed { cause }
            | Outcome::Denied { cause }
            | Outcome::Refused { cause }
            | Outcome::Unknown { cause } => Some(cause.as_str()),
        };
        json
    }
}

/// Returns the body of the response: `{"results": [one object per finding, in order]}`.
#[must_use]
pub fn response_body(outcomes: &[Outcome]) -> serde_json::Value {
    serde_json::json!(results(outcomes))
}

/// Returns the text of [`response_body`], without its tree of values.
pub(super) fn response_text(outcomes: &[Outcome]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&results(outcomes))
}

fn results(outcomes: &[Outcome]) -> ResultsJson<'_> {
    ResultsJson { results: outcomes.iter().enumerate().map(|(i, o)| OutcomeJson::of(i, o)).collect() }
}

/// Returns the status of the response: 200 if all findings were accepted, 207 if some were, 503 if none was and a retry may succeed for
/// any of them, 400 otherwise.
#[must_use]
pub fn response_status(outcomes: &[Outcome]) -> u16 {
    let accepted = outcomes.iter().filter(|o| matches!(o, Outcome::Accepted { .. })).count();
    if accepted == outcomes.len() {
        200
    } else if accepted > 0 {
        207
    } else if outcomes.iter().any(Outcome::is_retryable) {
        503
    } else {
        400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Outcome {
        Outcome::Accepted { topic: "scanner.alert.raised.v1", partition: 3, offset: 9, warning: None }
    }

    fn invalid() -> Outcome {
        Outcome::Invalid { path: "score".into(), cause: "1.7 is outside 0..=1".into() }
    }

    #[test]
    fn response_has_one_object_per_finding_in_order() {
        let body = response_body(&[accepted(), invalid()]);
        assert_eq!(
            body,
            serde_json::json!({"results": [
                {"index": 0, "outcome": "accepted", "topic": "scanner.alert.raised.v1", "partition": 3, "offset": 9},
                {"index": 1, "outcome": "invalid", "path": "score", "cause": "1.7 is outside 0..=1"},
            ]})
        );
        let text = response_text(&[accepted(), invalid()]).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), body);
    }

    #[test]
    fn denied_finding_failed_and_is_marked() {
        let denied = Outcome::Denied { cause: "not authorized".into() };
        let expected = serde_json::json!({"index": 0, "outcome": "failed", "cause": "not authorized", "access_denied": true});
        assert_eq!(response_body(std::slice::from_ref(&denied))["results"][0], expected);
        assert_eq!(response_status(&[denied]), 503);
        let failed = Outcome::Failed { cause: "timed out".into() };
        assert_eq!(response_body(&[failed])["results"][0].get("access_denied"), None);
    }

    #[test]
    fn status_depends_on_accepted_and_retryable_outcomes() {
        let failed = Outcome::Failed { cause: "timed out".into() };
        assert_eq!(response_status(&[accepted(), accepted()]), 200);
        assert_eq!(response_status(&[accepted(), invalid()]), 207);
        assert_eq!(response_status(&[invalid()]), 400);
        assert_eq!(response_status(&[invalid(), failed]), 503);
    }
}
