//! Errors of the registry client, and the classification of failed calls.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use contracts::Topic;
use kit::ErrorChain;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

use crate::access_denied::MaybeAccessDenied;

/// The registry can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address is invalid.
    #[error("invalid registry.url {url:?}: expected http(s)://host:port/path")]
    Url {
        /// The configured address.
        url: String,
    },
    /// User name or password can't be sent in an HTTP header.
    #[error("invalid registry.username or registry.password")]
    Login {
        /// The error of the header.
        source: reqwest::header::InvalidHeaderValue,
    },
    /// The HTTP client could not be created.
    #[error("failed to create the client of registry {url}")]
    Client {
        /// The registry's address.
        url: String,
        /// The cause.
        source: RegistryCallError,
    },
    /// The file of certificate authorities can't be used.
    #[error("failed to load registry.ca_file {}", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: CaFileError,
    },
    /// The registry does not respond, or not as a registry.
    #[error("registry {url} unavailable: {subject} not registered within {waited_ms} ms")]
    Unreachable {
        /// The registry's address.
        url: String,
        /// The subject.
        subject: String,
        /// The time of all attempts, milliseconds.
        waited_ms: u32,
        /// The error of the last attempt.
        source: RegistryCallError,
    },
    /// The registry denies access.
    #[error("access denied by registry {url} for {user}: {subject} not registered")]
    Denied {
        /// The registry's address.
        url: String,
        /// The user.
        user: String,
        /// The subject.
        subject: String,
        /// The error of the call.
        source: RegistryCallError,
    },
    /// The registry rejects the schema: it is incompatible with an earlier version, or not allowed.
    #[error("registry {url} rejected the schema of {subject}")]
    Rejected {
        /// The registry's address.
        url: String,
        /// The subject.
        subject: String,
        /// The registry's response.
        source: RegistryCallError,
    },
    /// The cache folder had another id, and records were written with it.
    #[error(
        "registry {url} has id {id} for {subject}, records were written under {pinned} from the cache folder"
    )]
    OtherId {
        /// The registry's address.
        url: String,
        /// The subject.
        subject: String,
        /// The id in the registry.
        id: u32,
        /// The id in the cache folder.
        pinned: u32,
    },
    /// No schema of this topic was registered at start.
    #[error("no schema of {topic} was registered at start")]
    NotRegistered {
        /// The topic.
        topic: Topic,
    },
}

/// The file of certificate authorities can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The file is not in PEM format.
    #[error(transparent)]
    Parse(#[from] reqwest::Error),
    /// The file contains no certificate.
    #[error("no certificate in the file")]
    Empty,
}

/// The error of one call to the registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryCallError {
    /// The registry responded with an error.
    #[error("{message} ({code})")]
    Response {
        /// The registry's error code: an HTTP status, or one with two more digits.
        code: u32,
        /// The registry's message.
        message: String,
    },
    /// The registry, or a proxy, denies access; no retry succeeds.
    #[error("{0}")]
    Denied(String),
    /// Any other failure; a retry may succeed.
    #[error("{0}")]
    Failed(String),
}

impl MaybeAccessDenied for RegistryError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}

impl RegistryCallError {
    /// Returns whether a retry may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Response { code, .. } => {
                let status = if *code >= 10_000 { code / 100 } else { *code };
                matches!(status, 408 | 429 | 500..)
            }
            Self::Denied(_) => false,
            Self::Failed(_) => true,
        }
    }
}

impl From<SRCError> for RegistryCallError {
    fn from(error: SRCError) -> Self {
        let response = error.source().and_then(|source| source.downcast_ref::<RawError>());
        // reqwest's error has no details, only its sources have.
        let text = match error.source() {
            Some(source) => format!("{}: {}", error.error, ErrorChain(source)),
            None => error.error.clone(),
        };
        match response {
            _ if denies_access(&text) => Self::Denied(text),
            // Code 0: the response was not a registry's, but a proxy's page or an incomplete body.
            Some(response) if response.error_code != 0 => {
                Self::Response { code: response.error_code, message: response.message.clone() }
            }
            _ => Self::Failed(text),
        }
    }
}

/// Returns whether an error text means denied access. schema_registry_converter reports a status only as text ("… failed with status
/// 401 Unauthorized"); OpenSSL reports a certificate that is not trusted or has expired.
pub(super) fn denies_access(text: &str) -> bool {
    ["status 401", "status 403", "certificate verify failed"].iter().any(|denial| text.contains(denial))
}
