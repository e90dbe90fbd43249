//! The error of a librdkafka call, as the source of this crate's errors.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The error of a librdkafka call. Its text names the kind of call, librdkafka's error code, and the cause of a missing connection where the
/// client's log has it; it has no further source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibrdkafkaError {
    error: Box<KafkaError>,
    cause: Option<String>,
}

impl LibrdkafkaError {
    /// Returns the error with the cause that its code has.
    pub(crate) fn with_cause(
        error: KafkaError,
        cause: impl FnOnce(RDKafkaErrorCode) -> Option<String>,
    ) -> Self {
        Self { cause: error.rdkafka_error_code().and_then(cause), error: Box::new(error) }
    }
}

impl fmt::Display for LibrdkafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LibrdkafkaError {}

impl From<KafkaError> for LibrdkafkaError {
    fn from(error: KafkaError) -> Self {
        Self { error: Box::new(error), cause: None }
    }
}
