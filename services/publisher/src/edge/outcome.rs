//! What became of each finding of a request, as its caller is told.

use serde::Serialize;

/// The end of one finding at the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The brokers acknowledged it.
    Accepted {
        /// The topic.
        topic: &'static str,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// It breaks a rule: it was not produced and never will be.
    Invalid {
        /// Where in the finding, as `metrics.rsi`; empty for the finding as a whole.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// The brokers didn't take it; sending it again may work.
    Failed {
        /// What they said.
        cause: String,
    },
    /// The edge is full or shutting down; it was not tried.
    Refused {
        /// Why.
        cause: String,
    },
    /// The acknowledgement timed out: it may be in the topic or not. A retry with the same event_id and occurred_at is
    /// harmless; without them it may double.
    Unknown {
        /// What was waited for.
        cause: String,
    },
}

impl Outcome {
    /// What the answer calls each outcome.
    pub const NAMES: [&str; 5] = ["accepted", "invalid", "failed", "refused", "unknown"];

    /// Its name's place in [`Self::NAMES`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Accepted { .. } => 0,
            Self::Invalid { .. } => 1,
            Self::Failed { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Unknown { .. } => 4,
        }
    }

    /// Whether trying again, unchanged, may end better.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Refused { .. } | Self::Unknown { .. })
    }
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Line<'a> {
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
}

impl<'a> Line<'a> {
    fn of(index: usize, outcome: &'a Outcome) -> Self {
        let mut line = Line {
            index,
            outcome: Outcome::NAMES[outcome.index()],
            topic: None,
            partition: None,
            offset: None,
            path: None,
            cause: None,
        };
        line.cause = match outcome {
            Outcome::Accepted { topic, partition, offset } => {
                (line.topic, line.partition, line.offset) = (Some(*topic), Some(*partition), Some(*offset));
                None
            }
            Outcome::Invalid { path, cause } => {
                line.path = Some(path.as_str());
                Some(cause.as_str())
            }
            Outcome::Failed { cause } | Outcome::Refused { cause } | Outcome::Unknown { cause } => {
                Some(cause.as_str())
            }
        };
        line
    }
}

/// The body of the answer: `{"results": [a line for each finding, in order]}`.
#[must_use]
pub fn answer(outcomes: &[Outcome]) -> serde_json::Value {
    let results: Vec<Line<'_>> = outcomes.iter().enumerate().map(|(i, o)| Line::of(i, o)).collect();
    serde_json::json!({ "results": results })
}

/// The status of the answer: 200 all accepted, 207 mixed, 400 none; 503 when none was and a retry may end better.
#[must_use]
pub fn status(outcomes: &[Outcome]) -> u16 {
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
        Outcome::Accepted { topic: "scanner.alert.raised.v1", partition: 3, offset: 9 }
    }

    fn invalid() -> Outcome {
        Outcome::Invalid { path: "score".into(), cause: "1.7 is outside 0..=1".into() }
    }

    #[test]
    fn the_answer_has_a_line_an_item_in_order() {
        let answer = answer(&[accepted(), invalid()]);
        assert_eq!(
            answer,
            serde_json::json!({"results": [
                {"index": 0, "outcome": "accepted", "topic": "scanner.alert.raised.v1", "partition": 3, "offset": 9},
                {"index": 1, "outcome": "invalid", "path": "score", "cause": "1.7 is outside 0..=1"},
            ]})
        );
    }

    #[test]
    fn the_status_says_all_some_none_or_later() {
        let failed = Outcome::Failed { cause: "timed out".into() };
        assert_eq!(status(&[accepted(), accepted()]), 200);
        assert_eq!(status(&[accepted(), invalid()]), 207);
        assert_eq!(status(&[invalid()]), 400);
        assert_eq!(status(&[invalid(), failed]), 503);
    }
}
