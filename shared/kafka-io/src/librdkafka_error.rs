//! The error of a librdkafka call, as the source of this crate's errors.

use std::fmt;

use rdkafka::error::KafkaError;

/// The error of a librdkafka call. Its text names the kind of call and librdkafka's error code, and for a client without a connection the
/// last failed one; it has no further source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct LibrdkafkaError {
    error: Box<KafkaError>,
    connection: Option<String>,
}

impl LibrdkafkaError {
    /// Creates the error of a call that timed out, with the cause of the client's last failed connection.
    pub(crate) fn without_connection(error: KafkaError, connection: Option<String>) -> Self {
        Self { error: Box::new(error), connection }
    }
}

impl From<KafkaError> for LibrdkafkaError {
    fn from(error: KafkaError) -> Self {
        Self::without_connection(error, None)
    }
}

impl fmt::Display for LibrdkafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            None => write!(f, "{}", self.error),
            Some(connection) => write!(f, "{}: {connection}", self.error),
        }
    }
}
