//! Errors of encoding and decoding.

use thiserror::Error;

use crate::bounds::PAYLOAD_BYTES_MAX;
use crate::topics::Topic;
use crate::violation::Violation;

/// Error class of a work record in a partition that is not its symbol's; see [`Event::check_placement`].
///
/// [`Event::check_placement`]: crate::event::Event::check_placement
pub const MISPLACED: &str = "misplaced";

/// Error of encoding an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The payload exceeds [`PAYLOAD_BYTES_MAX`].
    #[error("{event}: {bytes} bytes encoded, at most {PAYLOAD_BYTES_MAX} are allowed")]
    TooLarge {
        /// Name of the event.
        event: &'static str,
        /// Encoded size.
        bytes: usize,
    },
    /// Struct and schema differ. The tests of this crate rule this out.
    #[error("{event}: failed to encode: {cause}")]
    Avro {
        /// Name of the event.
        event: &'static str,
        /// Error of the Avro library.
        cause: String,
    },
    /// A JSON event has an invalid field or violates a rule.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// A feature request in JSON whose priority belongs to the other of its two topics.
    #[error("{event}: does not belong to {topic}")]
    OtherTopic {
        /// Event that the priority selects.
        event: &'static str,
        /// Topic that was requested.
        topic: Topic,
    },
    /// The writer has no schema id for the topic of the event.
    #[error("{event}: no schema id for topic {topic}")]
    NoSchemaId {
        /// Name of the event.
        event: &'static str,
        /// Topic of the event.
        topic: Topic,
    },
}

/// Error of fetching a writer schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WriterError {
    /// The registry has no schema with this id.
    #[error("schema {id} not found in the registry")]
    Unknown {
        /// Schema id.
        id: u32,
    },
    /// The registry has the schema, but it is not a readable Avro schema.
    #[error("schema {id} cannot be read: {cause}")]
    Unreadable {
        /// Schema id.
        id: u32,
        /// Cause.
        cause: String,
    },
    /// The registry is unavailable. A retry may succeed.
    #[error("failed to fetch schema {id}: {cause}")]
    Unavailable {
        /// Schema id.
        id: u32,
        /// Cause.
        cause: String,
    },
}

/// Error of decoding a payload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The record has no payload.
    #[error("no payload: a tombstone")]
    Tombstone,
    /// The payload has no bytes. It is neither an event nor a tombstone.
    #[error("empty payload")]
    Empty,
    /// The payload is not in Confluent's wire format.
    #[error("first byte is {byte}, not 0")]
    BadMagic {
        /// First byte.
        byte: u8,
    },
    /// The payload exceeds [`PAYLOAD_BYTES_MAX`].
    #[error("{bytes} bytes received, at most {PAYLOAD_BYTES_MAX} are allowed")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
    },
    /// A string or collection declares a negative length or one above [`PAYLOAD_BYTES_MAX`].
    #[error("impossible length: {cause}")]
    ImpossibleLength {
        /// Error of the Avro library.
        cause: String,
    },
    /// A string is not UTF-8.
    #[error("string is not UTF-8: {cause}")]
    InvalidUtf8 {
        /// Error of the Avro library.
        cause: String,
    },
    /// The body is truncated.
    #[error("ends after {bytes} bytes, at least {needed} are needed")]
    Truncated {
        /// Size of the body; of the payload if the header is truncated.
        bytes: usize,
        /// Size that was needed, as far as the body was read.
        needed: usize,
    },
    /// Bytes follow the end of the event.
    #[error("{bytes} trailing bytes")]
    TrailingBytes {
        /// Number of bytes after the end.
        bytes: usize,
    },
    /// The registry has no schema with the payload's id.
    #[error("schema {id} not found in the registry")]
    UnknownSchema {
        /// Schema id.
        id: u32,
    },
    /// The writer schema is of another record type: the payload belongs to another topic.
    #[error("schema {id} is of {found}, expected {expected}")]
    WrongSubject {
        /// Schema id.
        id: u32,
        /// Full name of the writer's record.
        found: String,
        /// Full name of the embedded schema's record.
        expected: String,
    },
    /// The writer schema has the expected name but cannot be resolved to the embedded schema.
    #[error("schema {id} is incompatible: {cause}")]
    IncompatibleSchema {
        /// Schema id.
        id: u32,
        /// Cause.
        cause: String,
    },
    /// The body does not conform to the writer schema.
    #[error("malformed: {cause}")]
    Malformed {
        /// Error of the Avro library.
        cause: String,
    },
    /// The event violates a rule.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// The registry is unavailable. The record may be valid: retry, never dead-letter it.
    #[error("failed to fetch schema {id}: {cause}")]
    RegistryUnavailable {
        /// Schema id.
        id: u32,
        /// Cause.
        cause: String,
    },
}

impl DecodeError {
    /// Returns the error class, as in dead letters and metrics.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Empty => "empty",
            Self::BadMagic { .. } => "bad_magic",
            Self::TooLarge { .. } => "too_large",
            Self::ImpossibleLength { .. } => "impossible_length",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::UnknownSchema { .. } => "unknown_schema",
            Self::WrongSubject { .. } => "wrong_subject",
            Self::IncompatibleSchema { .. } => "incompatible_schema",
            Self::Malformed { .. } => "malformed",
            Self::Invalid(_) => "invalid",
            Self::RegistryUnavailable { .. } => "registry_unavailable",
        }
    }

    /// Returns `true` if the same bytes may decode later. Such a record is deferred and never dead-lettered.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::RegistryUnavailable { .. })
    }
}

impl From<WriterError> for DecodeError {
    fn from(error: WriterError) -> Self {
        match error {
            WriterError::Unknown { id } => Self::UnknownSchema { id },
            WriterError::Unreadable { id, cause } => Self::IncompatibleSchema { id, cause },
            WriterError::Unavailable { id, cause } => Self::RegistryUnavailable { id, cause },
        }
    }
}
