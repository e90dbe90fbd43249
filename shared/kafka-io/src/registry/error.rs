//! Errors of the registry client, and the classification of failed calls.

use std::error::Error;
use std::path::PathBuf;

use contracts::Topic;
use contracts::bounds::{TEXT_BYTES_MAX, excerpt};
use kit::ErrorChain;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

use super::address::RegistryUrlError;
use crate::access_denied::MaybeAccessDenied;
use crate::ca_file_error::CaFileError;

/// The registry can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address is invalid.
    #[error("invalid registry.url {url:?}")]
    Url {
        /// The configured address, without its user.
        url: String,
        /// The cause.
        source: RegistryUrlError,
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
    /// The registry does not respond, or with temporary errors only.
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
    /// A server responds at the address that is not a registry: another server, or a wrong path.
    #[error("no schema registry at {url}: {subject} not registered")]
    NotRegistry {
        /// The configured address.
        url: String,
        /// The subject.
        subject: String,
        /// The response.
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
    /// The server does not permit the HTTP method of the request at this address: a registry, or a proxy, that is read-only.
    #[error("{0}")]
    MethodNotAllowed(String),
    /// A server responded, but not as a registry does. No retry succeeds, unless the address has been a registry's.
    #[error("not the response of a schema registry: {0}")]
    NotRegistry(String),
    /// No response before the end of the time limit of all attempts.
    #[error("timed out")]
    TimedOut,
    /// Any other failure, such as no response; a retry may succeed.
    #[error("{0}")]
    Failed(String),
}

/// The resolution of a [`RegistryError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryErrorKind {
    /// Another configuration.
    Config,
    /// Time: a later attempt may succeed.
    Unavailable,
    /// Another address, login, permission, mode of the registry or schema: no later attempt succeeds.
    Rejected,
    /// A correction of the program or of its cache folder.
    Defect,
}

impl RegistryError {
    /// Returns what resolves this error.
    #[must_use]
    pub fn kind(&self) -> RegistryErrorKind {
        match self {
            Self::Url { .. } | Self::Login { .. } | Self::Client { .. } | Self::CaFile { .. } => {
                RegistryErrorKind::Config
            }
            Self::Unreachable { .. } => RegistryErrorKind::Unavailable,
            Self::Denied { .. } | Self::Rejected { .. } | Self::NotRegistry { .. } => {
                RegistryErrorKind::Rejected
            }
            Self::OtherId { .. } | Self::NotRegistered { .. } => RegistryErrorKind::Defect,
        }
    }
}

impl RegistryError {
    /// Returns whether time may end this error at an address that has been a registry's: an ingress responds while its registry restarts.
    pub(super) fn may_end(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotRegistry { .. })
    }
}

impl MaybeAccessDenied for RegistryError {
    fn is_access_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }
}

impl RegistryCallError {
    /// Returns whether a retry may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Response { code, .. } => is_temporary(if *code >= 10_000 { code / 100 } else { *code }),
            Self::Denied(_) | Self::MethodNotAllowed(_) | Self::NotRegistry(_) => false,
            Self::TimedOut | Self::Failed(_) => true,
        }
    }

    /// Returns whether the registry lacks the subject, version, schema or setting of the request.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Response { code, .. } if is_not_found(*code))
    }

    /// Returns whether the registry may deny every POST request, also one that changes nothing.
    pub(super) fn may_deny_post(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::MethodNotAllowed(_))
    }

    /// Classifies a response with an error status. `error` is the registry's error in its body: `None` if the body is something else.
    pub(super) fn of_status(status: u16, text: String, error: Option<(u32, String)>) -> Self {
        let error = error.map(|(code, message)| (code, shortened(&message)));
        match (status, error) {
            (401 | 403, _) => Self::Denied(text),
            (405, _) => Self::MethodNotAllowed(text),
            (404, Some((code, message))) if !is_not_found(code) => {
                Self::NotRegistry(format!("{text}: {message} ({code})"))
            }
            (_, Some((code, message))) => Self::Response { code, message },
            (_, None) if is_temporary(status.into()) => Self::Failed(text),
            (_, None) => Self::NotRegistry(text),
        }
    }

    /// Classifies a request without a response.
    pub(super) fn of_failure(text: String) -> Self {
        let shown = shortened(&text);
        if denies_access(&text) { Self::Denied(shown) } else { Self::Failed(shown) }
    }
}

fn shortened(text: &str) -> String {
    excerpt(text, TEXT_BYTES_MAX).into_owned()
}

/// Returns whether a registry's code means that something does not exist. A 404 without such a code comes from another server, or for a
/// wrong path.
fn is_not_found(code: u32) -> bool {
    (40_401..=40_499).contains(&code)
}

/// Returns whether a later request with the same content may succeed. The excluded statuses above 500 mean that the server does not
/// support the request, or that its set-up must change (RFC 9110, 2295, 2774, 5842, 6585).
fn is_temporary(status: u32) -> bool {
    matches!(status, 408 | 429 | 500..) && !matches!(status, 501 | 505 | 506 | 508 | 510 | 511)
}

impl From<SRCError> for RegistryCallError {
    fn from(error: SRCError) -> Self {
        let response = error.source().and_then(|source| source.downcast_ref::<RawError>());
        // reqwest's error has no details, only its sources have.
        let text = match error.source() {
            Some(source) => format!("{}: {}", error.error, ErrorChain(source)),
            None => error.error.clone(),
        };
        // Code 0: the body was not a registry's, but a proxy's page, or incomplete.
        let response = response.filter(|response| response.error_code != 0);
        let response = response.map(|response| (response.error_code, response.message.clone()));
        match status_in(&error.error) {
            Some((status, shown)) => Self::of_status(status, format!("status {shown}"), response),
            // A successful response that is not JSON, or lacks what every registry returns.
            None if error.source().is_none_or(is_not_json) => Self::NotRegistry(shortened(&text)),
            None => Self::of_failure(text),
        }
    }
}

/// Returns whether an error or one of its sources is of a body that is not the expected JSON.
fn is_not_json(error: &(dyn Error + 'static)) -> bool {
    error.is::<serde_json::Error>() || error.source().is_some_and(is_not_json)
}

/// Returns the status in a text of schema_registry_converter, as number and with its name: "… failed with status 401 Unauthorized".
fn status_in(text: &str) -> Option<(u16, &str)> {
    let (_, shown) = text.split_once("failed with status ")?;
    let number = shown.split(' ').next()?.parse().ok()?;
    Some((number, shown))
}

/// Returns whether the error text of a failed connection means denied access: OpenSSL reports a certificate that is not trusted or has
/// expired.
fn denies_access(text: &str) -> bool {
    text.contains("certificate verify failed")
}
