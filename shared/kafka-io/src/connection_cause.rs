//! Why a client has no connection, from librdkafka's log: the errors of its calls only report that there is none.

use std::sync::{Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::librdkafka_error::LibrdkafkaError;

/// The facility of log lines about a connection that failed.
const FAILED_CONNECTION: &str = "FAIL";

/// The last cause in the log of one client.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCause(Mutex<Option<String>>);

impl ConnectionCause {
    /// Keeps the text of a log line about a connection that failed.
    pub(crate) fn observe(&self, facility: &str, text: &str) {
        if facility == FAILED_CONNECTION {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(without_thread(text).to_owned());
        }
    }

    /// Returns the error of a call, with the last cause if the call had no connection.
    pub(crate) fn explain(&self, error: KafkaError) -> LibrdkafkaError {
        let cause = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        LibrdkafkaError::with_cause(error, |code| cause.filter(|_| has_no_connection(code)))
    }
}

fn has_no_connection(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
    )
}

/// Removes the thread's name: `[thrd:kafka:9092/bootstrap]: kafka:9092/bootstrap: Failed to resolve …`.
fn without_thread(text: &str) -> &str {
    let rest = text.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: "));
    rest.map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "[thrd:no.invalid:9092/bootstrap]: no.invalid:9092/bootstrap: Failed to resolve 'no.invalid:9092'";

    #[test]
    fn error_without_a_connection_has_the_cause_of_the_log() {
        let cause = ConnectionCause::default();
        let failed = || KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
        let text = cause.explain(failed()).to_string();
        assert_eq!(text, failed().to_string(), "nothing is known");
        cause.observe("FAIL", LINE);
        cause.observe("CONFWARN", "[thrd:app]: an option has no effect");
        let text = cause.explain(failed()).to_string();
        assert!(text.ends_with(": no.invalid:9092/bootstrap: Failed to resolve 'no.invalid:9092'"), "{text}");
        assert!(text.starts_with(&failed().to_string()), "{text}");
    }

    #[test]
    fn error_of_a_broker_that_responded_has_no_other_cause() {
        let cause = ConnectionCause::default();
        cause.observe("FAIL", LINE);
        let error = KafkaError::OffsetFetch(RDKafkaErrorCode::CoordinatorNotAvailable);
        assert_eq!(cause.explain(error.clone()).to_string(), error.to_string());
    }
}
