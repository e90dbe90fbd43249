//! Why a client has no connection, from librdkafka's log: the errors of its calls only report that there is none.

use std::sync::{Mutex, PoisonError};

use rdkafka::error::KafkaError;

use crate::error_codes::is_connection_failure;
use crate::librdkafka_error::LibrdkafkaError;

/// librdkafka's log facility of failed and closed connections.
pub(crate) const CONNECTION_FAILED: &str = "FAIL";

/// The last cause in the log of one client.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCause(Mutex<Option<String>>);

impl ConnectionCause {
    /// Keeps the text of a log line about a connection that failed.
    pub(crate) fn observe(&self, facility: &str, text: &str) {
        if facility == CONNECTION_FAILED {
            let text = FailedConnection::of_line(text).to_string();
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
    }

    /// Returns the error of a call, with the last cause if the call had no connection.
    pub(crate) fn explain(&self, error: KafkaError) -> LibrdkafkaError {
        let cause = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        LibrdkafkaError::with_cause(error, |code| cause.filter(|_| is_connection_failure(code)))
    }
}

/// A failed connection or request in a line of librdkafka's log or in the text of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedConnection<'a> {
    /// The broker's address, with its id or `bootstrap` if the line has it. Empty if the line has no broker.
    pub(crate) broker: &'a str,
    pub(crate) cause: &'a str,
}

impl<'a> FailedConnection<'a> {
    /// Parses a line; leaves out its thread and its duration.
    pub(crate) fn of_line(line: &'a str) -> Self {
        let (mut broker, mut cause) = ("", line);
        while let Some((prefix, rest)) = cause.split_once(": ") {
            let is_address = prefix.contains(['/', ':']) && !prefix.contains(' ');
            // A connection for one purpose: `TxnCoordinator`, `GroupCoordinator`.
            let is_purpose = prefix.ends_with("Coordinator");
            match prefix.starts_with("[thrd:") {
                true => {}
                false if is_address => broker = prefix,
                false if is_purpose => {}
                false => break,
            }
            cause = rest;
        }
        let cause = cause.split(" (after ").next().unwrap_or(cause);
        let cause = match cause.split_once(" failed: ") {
            Some((call, reason)) if call.starts_with("Connect to ") => reason,
            _ => cause,
        };
        Self { broker, cause }
    }
}

impl std::fmt::Display for FailedConnection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.broker {
            "" => f.write_str(self.cause),
            broker => write!(f, "{broker}: {}", self.cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

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

    #[test]
    fn line_is_parsed_into_broker_and_cause() {
        let lines = [
            (
                "[thrd:127.0.0.1:9/1]: 127.0.0.1:9/1: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)",
                ("127.0.0.1:9/1", "Connection refused"),
            ),
            (
                "[thrd:nosuch.invalid:9092/bootstrap]: nosuch.invalid:9092/bootstrap: Failed to resolve 'nosuch.invalid:9092': Name or service not known (after 3ms in state CONNECT)",
                (
                    "nosuch.invalid:9092/bootstrap",
                    "Failed to resolve 'nosuch.invalid:9092': Name or service not known",
                ),
            ),
            (
                "[thrd:TxnCoordinator]: TxnCoordinator: 127.0.0.1:9: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)",
                ("127.0.0.1:9", "Connection refused"),
            ),
            ("127.0.0.1:9/1: Disconnected (after 5000ms in state UP)", ("127.0.0.1:9/1", "Disconnected")),
            ("2/2 brokers are down", ("", "2/2 brokers are down")),
        ];
        for (line, (broker, cause)) in lines {
            assert_eq!(FailedConnection::of_line(line), FailedConnection { broker, cause });
        }
        let text = FailedConnection::of_line(lines[0].0).to_string();
        assert_eq!(text, "127.0.0.1:9/1: Connection refused");
        assert_eq!(FailedConnection::of_line(lines[4].0).to_string(), lines[4].0);
    }
}
