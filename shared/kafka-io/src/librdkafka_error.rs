//! The error of a librdkafka call, as the source of this crate's errors.

use rdkafka::error::KafkaError;

/// The error of a librdkafka call. Its text names the kind of call and librdkafka's error code; it has no further source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LibrdkafkaError(Box<KafkaError>);

impl From<KafkaError> for LibrdkafkaError {
    fn from(error: KafkaError) -> Self {
        Self(Box::new(error))
    }
}
