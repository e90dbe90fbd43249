//! What can go wrong with the registry, and what one failed call means.

use contracts::Topic;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

/// The registry can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address is none.
    #[error("registry url {url:?} is no http address, as http://localhost:8081: {cause}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It doesn't answer, or not as a registry does.
    #[error("registry {url} did not register {subject} within {waited_ms} ms: {cause}")]
    Unreachable {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// How long it was tried.
        waited_ms: u32,
        /// The last failure.
        cause: String,
    },
    /// It answers, and refuses the schema: incompatible with an earlier version, or not allowed.
    #[error("registry {url} refuses {subject}: {cause}")]
    Refused {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// Its words, with its error code.
        cause: String,
    },
    /// The cache on disk had another id, and records were written under it.
    #[error(
        "registry {url} has id {id} for {subject}, records were written under {pinned} from the cache folder"
    )]
    OtherId {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// What the registry says now.
        id: u32,
        /// What the cache said.
        pinned: u32,
    },
    /// No schema of this topic was registered at start.
    #[error("no schema of {topic} was registered at start")]
    NotRegistered {
        /// The topic.
        topic: Topic,
    },
}

/// Why one call failed.
pub(super) enum Failure {
    /// The registry has said so.
    Said { code: u32, message: String },
    /// Anything else: later it may succeed.
    Transient(String),
}

impl Failure {
    pub(super) fn of(error: &SRCError) -> Self {
        let said = std::error::Error::source(error).and_then(|source| source.downcast_ref::<RawError>());
        match said {
            // Code 0 is the crate's way to say that the answer was no registry's: a proxy's page, a cut body.
            Some(said) if said.error_code != 0 => {
                Self::Said { code: said.error_code, message: said.message.clone() }
            }
            _ => Self::Transient(match &error.cause {
                Some(cause) => format!("{}: {cause}", error.error),
                None => error.error.clone(),
            }),
        }
    }
}

/// Codes are an HTTP status, or one with two more digits.
pub(super) fn is_transient(code: u32) -> bool {
    let status = if code >= 10_000 { code / 100 } else { code };
    matches!(status, 408 | 429 | 500..)
}
