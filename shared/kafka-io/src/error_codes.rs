//! Classes of librdkafka's error codes.

use rdkafka::error::RDKafkaErrorCode;

/// Returns whether an error means that access is denied, so that no retry succeeds: authentication, authorization or a certificate
/// that is not trusted.
///
/// A broken TLS connection may be temporary; a certificate error is not. A broker that rejects our certificate closes the connection
/// after the handshake with a TLS alert, which librdkafka reports as a failed receive.
pub(crate) fn is_access_denied(code: RDKafkaErrorCode, text: &str) -> bool {
    match code {
        RDKafkaErrorCode::SSL => text.contains("certificate"),
        RDKafkaErrorCode::BrokerTransportFailure => {
            text.contains("SSL routines")
                && ["certificate", "unknown ca"].iter().any(|cause| text.contains(cause))
        }
        _ => is_not_authorized(code) || is_not_authenticated(code),
    }
}

/// Returns whether an error means that a broker is not connected or does not respond. librdkafka repeats it per client and broker.
pub(crate) fn is_connection_failure(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
    )
}

/// Returns whether the principal lacks a permission.
pub(crate) fn is_not_authorized(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
    )
}

fn is_not_authenticated(code: RDKafkaErrorCode) -> bool {
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
    fn broken_connection_is_not_access_denied() {
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
}
