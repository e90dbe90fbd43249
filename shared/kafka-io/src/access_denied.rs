//! The error of a cluster that denies access, which no retry resolves.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::certificate;
use crate::client::{ClientError, LogContext};
use crate::config::KafkaConfig;
use crate::error_codes::is_access_denied;

/// Events served per call: more than a client of a few brokers emits between two waits.
const EVENTS_MAX: usize = 200;

/// The cluster denies access: a wrong password, a certificate that is not trusted, or a missing permission. An operator has to change
/// the configuration or the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("access denied by {brokers} for {who}: {cause}")]
pub struct AccessDenied {
    brokers: String,
    who: String,
    cause: String,
}

/// An error that may mean denied access, in contrast to a cluster that is unavailable.
pub trait MaybeAccessDenied: std::error::Error {
    /// Returns whether access is denied, so that no retry succeeds.
    fn is_access_denied(&self) -> bool;
}

impl MaybeAccessDenied for ClientError {
    fn is_access_denied(&self) -> bool {
        false
    }
}

// === impl AccessDenied ===

impl AccessDenied {
    /// Creates the error. librdkafka does not report why it distrusts a certificate, so a second connection to the broker finds out:
    /// this may block for some seconds.
    pub(crate) fn new(config: &KafkaConfig, code: RDKafkaErrorCode, text: &str) -> Self {
        let mut cause = text.to_owned();
        if code == RDKafkaErrorCode::SSL
            && let Some(reason) = certificate::verify_error(config)
        {
            cause = format!("{reason} ({text})");
        }
        Self { brokers: config.shown_brokers(), who: config.security.to_string(), cause }
    }

    /// Classifies the error of a call. `what` names the call. `None` if the error is another one.
    pub(crate) fn of(config: &KafkaConfig, what: &str, error: &KafkaError) -> Option<Self> {
        let code = match error {
            KafkaError::AdminOp(code) => *code,
            error => error.rdkafka_error_code()?,
        };
        let text = error.to_string();
        is_access_denied(code, &text).then(|| Self::new(config, code, &format!("{what}: {text}")))
    }

    /// Classifies the error of a call of a query client, which reads no records. Some denials are reported as events of the client
    /// only, while the call itself waits for a coordinator that the principal may not discover.
    pub(crate) fn of_query(
        client: &BaseConsumer<LogContext>,
        config: &KafkaConfig,
        what: &str,
        error: &KafkaError,
    ) -> Option<Self> {
        if let Some(denied) = Self::of(config, what, error) {
            return Some(denied);
        }
        let denied = serve(client).into_iter().find_map(|event| Self::of(config, what, &event));
        denied.or_else(|| client.context().access_denied().map(|(code, text)| Self::new(config, code, &text)))
    }
}

/// Serves the queued events of a client that reads no records: log lines go to its context, errors are returned. An empty queue does
/// not end it early: a served log line looks the same.
pub(crate) fn serve(client: &BaseConsumer<LogContext>) -> Vec<KafkaError> {
    (0..EVENTS_MAX).filter_map(|_| client.poll(Duration::ZERO)?.err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_call_names_principal_and_call() {
        let config = KafkaConfig::embedded("kafka-7:9092");
        let denied = KafkaError::AdminOp(RDKafkaErrorCode::TopicAuthorizationFailed);
        let text = AccessDenied::of(&config, "describe topics", &denied).unwrap().to_string();
        for part in ["access denied by kafka-7:9092", "describe topics: ", "authorization failed"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn timed_out_call_is_not_access_denied() {
        let config = KafkaConfig::embedded("kafka-7:9092");
        let late = KafkaError::OffsetFetch(RDKafkaErrorCode::OperationTimedOut);
        assert_eq!(AccessDenied::of(&config, "", &late), None);
    }
}
