//! Why a payload couldn't be written or read.

use thiserror::Error;

use super::MAX_PAYLOAD_BYTES;
use crate::topics::Topic;
use crate::violation::Violation;

/// The class of a work record that lies in a partition that isn't its symbol's; see [`Event::check_placement`].
///
/// [`Event::check_placement`]: crate::event::Event::check_placement
pub const MISPLACED: &str = "misplaced";

/// Why an event couldn't be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Larger than a topic takes.
    #[error("{event}: {bytes} bytes encoded, at most {MAX_PAYLOAD_BYTES} are allowed")]
    TooLarge {
        /// The event's name.
        event: &'static str,
        /// Its encoded size.
        bytes: usize,
    },
    /// Struct and schema disagree, which the tests of this crate rule out.
    #[error("{event}: cannot be encoded: {cause}")]
    Avro {
        /// The event's name.
        event: &'static str,
        /// What the codec said.
        cause: String,
    },
    /// From JSON: a field or a rule is broken.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// From JSON: a feature request whose priority belongs to the other of its two topics.
    #[error("{event}: does not belong to {topic}")]
    OtherTopic {
        /// The event that it is.
        event: &'static str,
        /// The topic that it was meant for.
        topic: Topic,
    },
    /// The writer has no schema id for the event's topic.
    #[error("{event}: no schema id for topic {topic}")]
    NoSchemaId {
        /// The event's name.
        event: &'static str,
        /// The topic.
        topic: Topic,
    },
}

/// Why a writer's schema couldn't be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WriterError {
    /// The registry answers that it has no such id.
    #[error("the registry knows no schema {id}")]
    Unknown {
        /// The id.
        id: u32,
    },
    /// The registry has it, but it is no Avro schema that can be read.
    #[error("schema {id} cannot be read: {cause}")]
    Unreadable {
        /// The id.
        id: u32,
        /// Why.
        cause: String,
    },
    /// The registry couldn't be asked; later it may.
    #[error("schema {id} cannot be fetched: {cause}")]
    Unavailable {
        /// The id.
        id: u32,
        /// Why.
        cause: String,
    },
}

/// Why a payload is no event of the kind that was expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No payload at all.
    #[error("no payload: a tombstone")]
    Tombstone,
    /// A payload without a byte: neither an event nor a tombstone.
    #[error("an empty payload")]
    Empty,
    /// Not Confluent's wire format.
    #[error("first byte is {byte}, not 0")]
    BadMagic {
        /// The first byte.
        byte: u8,
    },
    /// Larger than anything that we write.
    #[error("{bytes} bytes sent, at most {MAX_PAYLOAD_BYTES} are allowed")]
    TooLarge {
        /// The size of the payload.
        bytes: usize,
    },
    /// A part of it claims a length that none can have: larger than any payload, or negative.
    #[error("a part claims an impossible length: {cause}")]
    ImpossibleLength {
        /// What the codec said.
        cause: String,
    },
    /// A text isn't UTF-8.
    #[error("a text is not UTF-8: {cause}")]
    InvalidUtf8 {
        /// What the codec said.
        cause: String,
    },
    /// It ends early.
    #[error("ends after {bytes} bytes, at least {needed} are needed")]
    Truncated {
        /// How many bytes there are.
        bytes: usize,
        /// How many there had to be, as far as was read.
        needed: usize,
    },
    /// It goes on after its end.
    #[error("{bytes} bytes left after the end")]
    TrailingBytes {
        /// How many bytes follow.
        bytes: usize,
    },
    /// The registry has no such schema.
    #[error("the registry knows no schema {id}")]
    UnknownSchema {
        /// The id.
        id: u32,
    },
    /// The schema's record is another one: the payload belongs elsewhere.
    #[error("schema {id} is of {found}, not of {expected}")]
    WrongSubject {
        /// The id.
        id: u32,
        /// The full name of the writer's record.
        found: String,
        /// The full name of ours.
        expected: String,
    },
    /// The schema is of the right name, but ours can't read it.
    #[error("schema {id} cannot be resolved to ours: {cause}")]
    IncompatibleSchema {
        /// The id.
        id: u32,
        /// Why not.
        cause: String,
    },
    /// The body isn't what the schema says.
    #[error("malformed: {cause}")]
    Malformed {
        /// What the codec said.
        cause: String,
    },
    /// A rule of the event is broken.
    #[error(transparent)]
    Invalid(#[from] Violation),
    /// The registry couldn't be asked. Not the record's fault: try again, never dead-letter.
    #[error("schema {id} cannot be fetched: {cause}")]
    RegistryUnavailable {
        /// The id.
        id: u32,
        /// Why.
        cause: String,
    },
}

impl DecodeError {
    /// Its class, as dead letters and metrics carry it.
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

    /// Whether the same bytes may be readable later: then the record waits, and is not to be dead-lettered.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::RegistryUnavailable { .. })
    }
}

impl From<WriterError> for DecodeError {
    fn from(fault: WriterError) -> Self {
        match fault {
            WriterError::Unknown { id } => Self::UnknownSchema { id },
            WriterError::Unreadable { id, cause } => Self::IncompatibleSchema { id, cause },
            WriterError::Unavailable { id, cause } => Self::RegistryUnavailable { id, cause },
        }
    }
}
