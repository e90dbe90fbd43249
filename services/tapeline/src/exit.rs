//! Failures of a command and their exit codes (`docs/errors/exit-codes.md`).

use std::error::Error;
use std::io;
use std::path::Path;

use chassis::Exit;
use kafka_io::MaybeAccessDenied;
use kit::ErrorChain;
use kit::secret::redacted_address;
use rustix::io::Errno;

/// Why a command failed. Each variant has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command ran, and its result is not ok.
    #[error(transparent)]
    NotOk(Cause),
    /// Invalid flag, file or event name.
    #[error(transparent)]
    Usage(Cause),
    /// A broker, registry or edge is unreachable.
    #[error(transparent)]
    Unreachable(Cause),
    /// The cluster denied access or authorization.
    #[error(transparent)]
    AccessDenied(Cause),
    /// Requests were served in part, and none failed.
    #[error(transparent)]
    Partial(Cause),
}

/// The message of a failure, with its source error if there is one.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A message without a source.
    #[error("{0}")]
    Message(String),
    /// A message with its source.
    #[error("{context}")]
    Context {
        /// The action that failed.
        context: String,
        source: Box<dyn Error + Send + Sync>,
    },
    /// An error whose own message names what failed.
    #[error(transparent)]
    Error(Box<dyn Error + Send + Sync>),
}

impl From<String> for Cause {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl Cause {
    /// Returns `context` as what failed, and `source` as why.
    pub fn new(context: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Context { context: context.into(), source: source.into() }
    }
}

impl Failure {
    /// Returns a failed result.
    pub fn not_ok(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::NotOk(Cause::Error(error.into()))
    }

    /// Returns a usage error.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Usage(Cause::Error(error.into()))
    }

    /// Returns a failure to start a part of the process. A lack of file descriptors is an error of the limits of the process.
    pub fn start(part: &str, error: io::Error) -> Self {
        let lacks_descriptors = error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
        let cause = Cause::new(format!("failed to start {part}"), error);
        if lacks_descriptors { Self::Usage(cause) } else { Self::NotOk(cause) }
    }

    /// Returns an error of an unreachable service.
    pub fn unreachable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unreachable(Cause::Error(error.into()))
    }

    /// Returns a failed cluster query: access denied or unreachable.
    pub fn query(error: impl MaybeAccessDenied + Send + Sync + 'static) -> Self {
        let is_access_denied = error.is_access_denied();
        Self::of_query(is_access_denied, Cause::Error(Box::new(error)))
    }

    /// Returns a failed cluster query, with what it was for.
    pub fn query_context(
        context: impl Into<String>,
        error: impl MaybeAccessDenied + Send + Sync + 'static,
    ) -> Self {
        let is_access_denied = error.is_access_denied();
        Self::of_query(is_access_denied, Cause::new(context, error))
    }

    fn of_query(is_access_denied: bool, cause: Cause) -> Self {
        if is_access_denied { Self::AccessDenied(cause) } else { Self::Unreachable(cause) }
    }

    /// Returns a failure to read or write a file. An address in its place is shown without its password.
    pub fn file(action: &str, path: &Path, error: io::Error) -> Self {
        let path = path.display().to_string();
        let path = if path.contains("://") { redacted_address(&path) } else { path };
        Self::Usage(Cause::new(format!("failed to {action} {path}"), error))
    }

    /// Puts `context` in front of the message.
    #[must_use]
    pub fn context(self, context: &str) -> Self {
        let of = |cause: Cause| Cause::new(context, cause);
        match self {
            Self::NotOk(cause) => Self::NotOk(of(cause)),
            Self::Usage(cause) => Self::Usage(of(cause)),
            Self::Unreachable(cause) => Self::Unreachable(of(cause)),
            Self::AccessDenied(cause) => Self::AccessDenied(of(cause)),
            Self::Partial(cause) => Self::Partial(of(cause)),
        }
    }

    /// Returns the exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotOk(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::AccessDenied(_) => Exit::Refused,
            Self::Partial(_) => Exit::Partial,
        }
    }

    /// Returns the message with the messages of all sources.
    #[must_use]
    pub fn chain(&self) -> String {
        ErrorChain(self).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("query failed")]
    struct QueryFailure {
        is_access_denied: bool,
        source: io::Error,
    }

    impl MaybeAccessDenied for QueryFailure {
        fn is_access_denied(&self) -> bool {
            self.is_access_denied
        }
    }

    fn failure(is_access_denied: bool) -> QueryFailure {
        QueryFailure { is_access_denied, source: io::Error::other("connection reset") }
    }

    #[test]
    fn access_denied_and_unreachable_have_their_own_exit_codes() {
        assert_eq!(Failure::query(failure(true)).exit(), Exit::Refused);
        assert_eq!(Failure::query(failure(false)).exit(), Exit::Unreachable);
        assert_eq!(Failure::query_context("fetch", failure(true)).exit(), Exit::Refused);
    }

    #[test]
    fn address_instead_of_a_file_is_shown_without_its_password() {
        let text =
            |path: &str| Failure::file("open", Path::new(path), io::Error::other("no such file")).to_string();
        assert_eq!(text("http://me:hunter2@edge/v1"), "failed to open http://[redacted]@edge/v1");
        assert_eq!(text("/data/me@host/f?.ndjson"), "failed to open /data/me@host/f?.ndjson");
    }

    #[test]
    fn chain_has_each_source_once() {
        let failure = Failure::query(failure(false)).context("feature lags");
        assert_eq!(failure.chain(), "feature lags: query failed: connection reset");
        let short = Cause::new("failed to read row 11", io::Error::other("1"));
        assert_eq!(
            Failure::NotOk(short).chain(),
            "failed to read row 11: 1",
            "a cause that is part of the text"
        );
    }
}
