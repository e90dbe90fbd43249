//! How librdkafka says that a call failed, and what can be done about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::access_denied::is_access_denied;

/// A failed transactional call, with librdkafka's own advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) text: String,
    /// The client is of no further use.
    pub(crate) fatal: bool,
    /// The same call may be made again.
    pub(crate) retriable: bool,
    /// The transaction is to be aborted; the next one may succeed.
    pub(crate) abortable: bool,
}

/// What to do about a failed transactional call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    Retry,
    Abort,
    Rebuild,
}

impl CallError {
    /// Something after which a client is of no further use.
    pub(crate) fn fatal(code: RDKafkaErrorCode, text: String) -> Self {
        Self { code, text, fatal: true, retriable: false, abortable: false }
    }

    /// Somebody asked for an abort.
    pub(crate) fn given_up() -> Self {
        let text = "it was asked to be given up".to_owned();
        Self { code: RDKafkaErrorCode::Fail, text, fatal: false, retriable: false, abortable: true }
    }

    /// Fatal before abortable before retriable. What has no advice at all is a call out of order: only a new client is known to
    /// be in order.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            fault if fault.fatal || fault.is_fenced() || fault.is_access_denied() => Remedy::Rebuild,
            fault if fault.abortable => Remedy::Abort,
            fault if fault.retriable => Remedy::Retry,
            _ => Remedy::Rebuild,
        }
    }

    /// Nobody is to blame: the coordinator is away, on the move, or still loading its log. Later it will be there.
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

    /// No client of ours will be let do it.
    pub(crate) fn is_access_denied(&self) -> bool {
        is_access_denied(self.code, &self.text)
    }

    /// Another client has taken the transactional id, or the transaction timed out, which raises the epoch as well.
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

impl From<KafkaError> for CallError {
    fn from(error: KafkaError) -> Self {
        match &error {
            KafkaError::Transaction(inner) => Self {
                code: inner.code(),
                text: inner.string(),
                fatal: inner.is_fatal(),
                retriable: inner.is_retriable(),
                abortable: inner.txn_requires_abort(),
            },
            other => {
                let code = other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                let fatal = matches!(code, RDKafkaErrorCode::Fatal);
                Self { code, text: other.to_string(), fatal, retriable: false, abortable: !fatal }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: RDKafkaErrorCode, fatal: bool, retriable: bool, abortable: bool) -> CallError {
        CallError { code, text: String::new(), fatal, retriable, abortable }
    }

    #[test]
    fn a_fenced_producer_is_rebuilt_whatever_the_flags_say() {
        assert_eq!(fault(RDKafkaErrorCode::Fenced, false, false, true).remedy(), Remedy::Rebuild);
        assert_eq!(fault(RDKafkaErrorCode::ProducerFenced, false, true, false).remedy(), Remedy::Rebuild);
    }

    #[test]
    fn a_missing_right_is_never_retried() {
        let denied = RDKafkaErrorCode::GroupAuthorizationFailed;
        assert_eq!(fault(denied, false, true, true).remedy(), Remedy::Rebuild);
        assert!(fault(denied, false, true, true).is_access_denied());
    }

    #[test]
    fn fatal_goes_before_abort_and_abort_before_retry() {
        let code = RDKafkaErrorCode::RequestTimedOut;
        assert_eq!(fault(code, true, true, true).remedy(), Remedy::Rebuild);
        assert_eq!(fault(code, false, true, true).remedy(), Remedy::Abort);
        assert_eq!(fault(code, false, true, false).remedy(), Remedy::Retry);
        assert_eq!(fault(code, false, false, false).remedy(), Remedy::Rebuild);
    }
}
