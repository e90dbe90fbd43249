//! Errors that no second try mends: the cluster doesn't let us in, or doesn't let us do it.

use rdkafka::error::RDKafkaErrorCode;

use crate::certificate;
use crate::config::KafkaConfig;

/// A wrong password, a certificate that isn't trusted, a right that is missing. Somebody has to change something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no admission to {brokers} as {who}: {cause}")]
pub struct Refusal {
    brokers: String,
    who: String,
    cause: String,
}

// === impl Refusal ===

impl Refusal {
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
}

/// Whether an error of this kind is a refusal. A broken TLS connection may be the network's doing; one over a certificate isn't.
pub(crate) fn is_refusal(code: RDKafkaErrorCode, text: &str) -> bool {
    match code {
        RDKafkaErrorCode::SSL => text.contains("certificate"),
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
        assert!(!is_refusal(RDKafkaErrorCode::SSL, "SSL handshake failed: unexpected eof"));
        assert!(!is_refusal(RDKafkaErrorCode::BrokerTransportFailure, "certificate"));
        assert!(is_refusal(RDKafkaErrorCode::SSL, "error:0A000086:SSL routines::certificate verify failed"));
        assert!(is_refusal(RDKafkaErrorCode::GroupAuthorizationFailed, ""));
        assert!(is_refusal(RDKafkaErrorCode::Authentication, ""));
    }
}
