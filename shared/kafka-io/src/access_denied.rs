//! Errors that no second try mends: the cluster doesn't let us in, or doesn't let us do it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::certificate;
use crate::client::LogContext;
use crate::config::KafkaConfig;

/// More than a client says of a few brokers between two waits.
const EVENTS_SERVED: usize = 200;

/// A wrong password, a certificate that isn't trusted, a right that is missing. Somebody has to change something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no admission to {brokers} as {who}: {cause}")]
pub struct AccessDenied {
    brokers: String,
    who: String,
    cause: String,
}

/// An error that may be a refusal, rather than a cluster that isn't there.
pub trait MaybeAccessDenied: std::error::Error {
    /// Whether no second try mends it.
    fn is_access_denied(&self) -> bool;
}

// === impl AccessDenied ===

impl AccessDenied {
    /// Why the cluster turned us away, or we it. Of an untrusted certificate librdkafka says no more than that, so its broker is
    /// asked once more: this may take some seconds.
    pub(crate) fn new(config: &KafkaConfig, code: RDKafkaErrorCode, text: &str) -> Self {
        let mut cause = text.to_owned();
        if code == RDKafkaErrorCode::SSL
            && let Some(reason) = certificate::distrust(config)
        {
            cause = format!("{reason} ({text})");
        }
        Self { brokers: config.brokers.clone(), who: config.security.to_string(), cause }
    }

    /// The refusal in a call's error, if it is one; `what` was asked.
    pub(crate) fn of(config: &KafkaConfig, what: &str, error: &KafkaError) -> Option<Self> {
        let code = match error {
            KafkaError::AdminOp(code) => *code,
            error => error.rdkafka_error_code()?,
        };
        let text = error.to_string();
        is_access_denied(code, &text).then(|| Self::new(config, code, &format!("{what}: {text}")))
    }

    /// Why a call of a client that asks and reads nothing failed, if that is a refusal. Some are told beside the call alone: it waits
    /// for a coordinator that we may not know of.
    pub(crate) fn behind(
        client: &BaseConsumer<LogContext>,
        config: &KafkaConfig,
        what: &str,
        error: &KafkaError,
    ) -> Option<Self> {
        if let Some(refusal) = Self::of(config, what, error) {
            return Some(refusal);
        }
        let told = serve(client).into_iter().find_map(|told| Self::of(config, what, &told));
        told.or_else(|| client.context().kept_out().map(|(code, text)| Self::new(config, code, &text)))
    }
}

/// Serves what a client that reads nothing has to tell: log lines and errors, one at a time and the first as if nothing had come.
pub(crate) fn serve(client: &BaseConsumer<LogContext>) -> Vec<KafkaError> {
    (0..EVENTS_SERVED).filter_map(|_| client.poll(Duration::ZERO)?.err()).collect()
}

/// Whether an error of this kind is a refusal. A broken TLS connection may be the network's doing; one over a certificate isn't.
/// A broker that won't have ours says so after the handshake, by an alert that librdkafka reads as a failed receive.
pub(crate) fn is_access_denied(code: RDKafkaErrorCode, text: &str) -> bool {
    match code {
        RDKafkaErrorCode::SSL => text.contains("certificate"),
        RDKafkaErrorCode::BrokerTransportFailure => {
            text.contains("SSL routines")
                && ["certificate", "unknown ca"].iter().any(|cause| text.contains(cause))
        }
        _ => is_denied(code) || keeps_out(code),
    }
}

/// A right that our principal lacks.
pub(crate) fn is_denied(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
    )
}

fn keeps_out(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_connection_is_no_refusal() {
        assert!(!is_access_denied(RDKafkaErrorCode::SSL, "SSL handshake failed: unexpected eof"));
        assert!(!is_access_denied(RDKafkaErrorCode::BrokerTransportFailure, "certificate"));
        assert!(is_access_denied(
            RDKafkaErrorCode::SSL,
            "error:0A000086:SSL routines::certificate verify failed"
        ));
        let alert =
            "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42";
        assert!(is_access_denied(RDKafkaErrorCode::BrokerTransportFailure, alert));
        assert!(is_access_denied(RDKafkaErrorCode::GroupAuthorizationFailed, ""));
        assert!(is_access_denied(RDKafkaErrorCode::Authentication, ""));
    }

    #[test]
    fn a_call_that_is_denied_names_who_asked_for_what_and_one_that_timed_out_is_no_refusal() {
        let config = KafkaConfig::embedded("kafka-7:9092");
        let denied = KafkaError::AdminOp(RDKafkaErrorCode::TopicAuthorizationFailed);
        let text = AccessDenied::of(&config, "describe topics", &denied).unwrap().to_string();
        for part in ["no admission to kafka-7:9092", "describe topics: ", "authorization failed"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        let late = KafkaError::OffsetFetch(RDKafkaErrorCode::OperationTimedOut);
        assert_eq!(AccessDenied::of(&config, "", &late), None);
    }
}
