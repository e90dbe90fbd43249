//! The error of a librdkafka call, as the source of this crate's errors.

use std::fmt;

use kit::secret::REDACTED;
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
        match &*self.error {
            KafkaError::ClientConfig(_, description, key, _) => {
                write!(f, "invalid option {key}: {description}")?
            }
            error => write!(f, "{error}")?,
        }
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LibrdkafkaError {}

impl From<KafkaError> for LibrdkafkaError {
    fn from(error: KafkaError) -> Self {
        let error = match error {
            // The value may be a secret under a mistyped key.
            KafkaError::ClientConfig(result, description, key, _) => {
                KafkaError::ClientConfig(result, description, key, REDACTED.to_owned())
            }
            error => error,
        };
        Self { error: Box::new(error), cause: None }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaConfRes;

    use super::*;

    #[test]
    fn value_of_an_invalid_option_is_not_shown() {
        let [description, key, value] =
            ["No such configuration property: \"sasl_password\"", "sasl_password", "hunter2"]
                .map(str::to_owned);
        let unknown = RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
        let error = LibrdkafkaError::from(KafkaError::ClientConfig(unknown, description.clone(), key, value));
        assert_eq!(error.to_string(), format!("invalid option sasl_password: {description}"));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
