//! The error of a transactional librdkafka call, with the recovery that it needs.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error_codes;

/// The error of a transactional call, with librdkafka's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) text: String,
    /// The client can't be used any more.
    pub(crate) fatal: bool,
    /// The same call may be repeated.
    pub(crate) retriable: bool,
    /// The transaction has to be aborted; the next one may succeed.
    pub(crate) abortable: bool,
    /// The call has not returned: whether it took effect is unknown, and the client can be neither used nor destroyed.
    pub(crate) abandoned: bool,
}

/// The recovery from a failed transactional call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    Retry,
    Abort,
    Recreate,
    /// Leave the client as it is, and create another.
    Abandon,
}

impl CallError {
    /// Creates an error after which the client can't be used any more.
    pub(crate) fn fatal(code: RDKafkaErrorCode, text: String) -> Self {
        Self { code, text, fatal: true, retriable: false, abortable: false, abandoned: false }
    }

    /// Creates the error of a call that has not returned. `client` is the number of the client among those of its driver.
    pub(crate) fn abandoned(call: &str, client: u32, waited: Duration) -> Self {
        let text = format!("{call} of client {client} has not returned within {} ms", waited.as_millis());
        Self { abandoned: true, ..Self::fatal(RDKafkaErrorCode::OperationTimedOut, text) }
    }

    /// Creates the error of an abort that a hook requested.
    pub(crate) fn abort_requested() -> Self {
        let text = "abort requested".to_owned();
        Self { fatal: false, abortable: true, ..Self::fatal(RDKafkaErrorCode::Fail, text) }
    }

    /// Returns the recovery: abandoned before fatal before abortable before retriable. An error without flags is a call out of order; only
    /// a new client is in a known state.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            error if error.abandoned => Remedy::Abandon,
            error if error.fatal || error.is_fenced() || error.is_access_denied() => Remedy::Recreate,
            error if error.abortable => Remedy::Abort,
            error if error.retriable => Remedy::Retry,
            _ => Remedy::Recreate,
        }
    }

    /// Returns whether the coordinator is temporarily unavailable: down, moving, or loading its log.
    pub(crate) fn is_transient(&self) -> bool {
        self.retriable && !self.fatal
            || matches!(
                self.code,
                RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::CoordinatorLoadInProgress
                    | RDKafkaErrorCode::CoordinatorNotAvailable
                    | RDKafkaErrorCode::NotCoordinator
                    | RDKafkaErrorCode::ConcurrentTransactions
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
            )
    }

    /// Returns whether access is denied, also to a new client.
    pub(crate) fn is_access_denied(&self) -> bool {
        error_codes::is_access_denied(self.code, &self.text)
    }

    /// Returns whether another client has taken the transactional id, or the transaction timed out, which raises the epoch as well.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(
            self.code,
            RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::FencedInstanceId
        )
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.code, self.text)
    }
}

impl std::error::Error for CallError {}

impl From<KafkaError> for CallError {
    fn from(error: KafkaError) -> Self {
        match &error {
            KafkaError::Transaction(inner) => Self {
                code: inner.code(),
                text: inner.string(),
                fatal: inner.is_fatal(),
                retriable: inner.is_retriable(),
                abortable: inner.txn_requires_abort(),
                abandoned: false,
            },
            other => {
                let code = other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                let fatal = matches!(code, RDKafkaErrorCode::Fatal);
                Self { fatal, abortable: !fatal, ..Self::fatal(code, other.to_string()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: RDKafkaErrorCode, fatal: bool, retriable: bool, abortable: bool) -> CallError {
        CallError { code, text: String::new(), fatal, retriable, abortable, abandoned: false }
    }

    #[test]
    fn fenced_producer_is_recreated_whatever_its_flags() {
        assert_eq!(error(RDKafkaErrorCode::Fenced, false, false, true).remedy(), Remedy::Recreate);
        assert_eq!(error(RDKafkaErrorCode::ProducerFenced, false, true, false).remedy(), Remedy::Recreate);
    }

    #[test]
    fn missing_permission_is_never_retried() {
        let denied = RDKafkaErrorCode::GroupAuthorizationFailed;
        assert_eq!(error(denied, false, true, true).remedy(), Remedy::Recreate);
        assert!(error(denied, false, true, true).is_access_denied());
    }

    #[test]
    fn fatal_precedes_abort_and_abort_precedes_retry() {
        let code = RDKafkaErrorCode::RequestTimedOut;
        assert_eq!(error(code, true, true, true).remedy(), Remedy::Recreate);
        assert_eq!(error(code, false, true, true).remedy(), Remedy::Abort);
        assert_eq!(error(code, false, true, false).remedy(), Remedy::Retry);
        assert_eq!(error(code, false, false, false).remedy(), Remedy::Recreate);
    }
}
