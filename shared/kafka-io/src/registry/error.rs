//! What can go wrong with the registry, and what one failed call means.

use std::error::Error;
use std::path::PathBuf;

use contracts::Topic;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

use crate::access_denied::MaybeAccessDenied;

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
    /// The file of its authorities is of no use.
    #[error("registry.ca_file {}: {cause}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// It answers, and doesn't let us in.
    #[error("registry {url} does not let {user} in for {subject}: {cause}")]
    Denied {
        /// Its address.
        url: String,
        /// As whom we came.
        user: String,
        /// The subject.
        subject: String,
        /// Its words.
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

impl MaybeAccessDenied for RegistryError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}

/// Why one call failed.
pub(super) enum Failure {
    /// The registry has said so.
    Said { code: u32, message: String },
    /// It, or a proxy before it, wants another login, or none of ours may do this.
    Denied(String),
    /// Anything else: later it may succeed.
    Transient(String),
}

impl Failure {
    pub(super) fn of(error: &SRCError) -> Self {
        let said = error.source().and_then(|source| source.downcast_ref::<RawError>());
        let text = with_causes(&error.error, error);
        match said {
            _ if is_denial(&text) => Self::Denied(text),
            // Code 0 is the crate's way to say that the answer was no registry's: a proxy's page, a cut body.
            Some(said) if said.error_code != 0 => {
                Self::Said { code: said.error_code, message: said.message.clone() }
            }
            _ => Self::Transient(text),
        }
    }
}

/// What failed, and each cause of it: reqwest says no more than that a request failed, its causes say why.
pub(super) fn with_causes(what: &str, error: &dyn Error) -> String {
    let mut text = what.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Another try mends neither. The crate gives a status only in words ("… failed with status 401 Unauthorized"), and the other words
/// are OpenSSL's of a certificate that isn't trusted, or has expired.
pub(super) fn is_denial(words: &str) -> bool {
    ["status 401", "status 403", "certificate verify failed"].iter().any(|denial| words.contains(denial))
}

/// Codes are an HTTP status, or one with two more digits.
pub(super) fn is_transient(code: u32) -> bool {
    let status = if code >= 10_000 { code / 100 } else { code };
    matches!(status, 408 | 429 | 500..)
}
