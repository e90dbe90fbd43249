//! Errors of requests to a bucket, and their class as errors of a file.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;

use crate::sources::csv_file::{CsvError, NextAttempt};

/// Error of a request. It passes through the client, which wraps it.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(super) struct Failed(Arc<Failure>);

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no response")]
    Transport(#[source] reqwest::Error),
    /// Responses to requests without a body have no code.
    #[error("status {status}{}{code}: {message:?}", if code.is_empty() { "" } else { " " })]
    Status {
        status: u16,
        code: String,
        message: String,
        /// The time from which on the server accepts requests again, if it names one.
        retry_at: Option<Timestamp>,
    },
    #[error("{bytes} bytes, at most {max} are allowed")]
    TooLarge { bytes: u64, max: u64 },
    #[error("more names than a folder may have")]
    TooManyNames,
    #[error("not complete within {0:?}")]
    Deadline(Duration),
    /// The server may be none of S3. Whether the object is being written is unknown.
    #[error("object has no time of its last change")]
    NoLastModified,
    #[error("no key of an object")]
    Key(#[source] object_store::path::Error),
    /// A response without the headers or the content that it must have.
    #[error("invalid response")]
    Response(#[source] Box<dyn Error + Send + Sync>),
}

impl Failed {
    pub(super) fn new(failure: Failure) -> Self {
        Self(Arc::new(failure))
    }

    pub(super) fn of_task(error: tokio::task::JoinError) -> Self {
        Self::new(Failure::Response(Box::new(error)))
    }

    /// Classifies the error of the file at this path.
    pub(super) fn into_error(self, path: &Path) -> CsvError {
        use Failure as F;
        let path = path.to_path_buf();
        let next = match &*self.0 {
            F::TooLarge { bytes, max } => return CsvError::TooLarge { path, bytes: *bytes, max: *max },
            F::Status { status: 404, code, .. } if matches!(code.as_str(), "" | "NoSuchKey") => {
                NextAttempt::NotFound
            }
            F::Status { status: 429 | 500.., retry_at: Some(until), .. } => NextAttempt::From(*until),
            F::Status { status: 408 | 429 | 500.., .. } => NextAttempt::Later,
            // The request was sent too slowly.
            F::Status { status: 400, code, .. } if code == "RequestTimeout" => NextAttempt::Later,
            F::Transport(_) | F::Deadline(_) | F::NoLastModified | F::Response(_) => NextAttempt::Later,
            F::Status { .. } | F::TooManyNames | F::Key(_) => NextAttempt::Never,
        };
        CsvError::Unserved { path, next, cause: Box::new(self) }
    }
}

impl From<object_store::Error> for Failed {
    fn from(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if let Some(failed) = error.downcast_ref::<Self>() {
                return failed.clone();
            }
            cause = error.source();
        }
        Self::new(Failure::Response(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(status: u16, code: &str) -> NextAttempt {
        let failure =
            Failure::Status { status, code: code.to_owned(), message: String::new(), retry_at: None };
        match Failed::new(failure).into_error(Path::new("s3://b/k")) {
            CsvError::Unserved { next, .. } => next,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn status_and_code_decide_about_another_attempt() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(next(status, "SlowDown"), NextAttempt::Later, "{status}");
        }
        for (status, code) in [
            (301, "PermanentRedirect"),
            (400, "AuthorizationHeaderMalformed"),
            (403, "SignatureDoesNotMatch"),
            (403, ""),
            (404, "NoSuchBucket"),
        ] {
            assert_eq!(next(status, code), NextAttempt::Never, "{status} {code}");
        }
        assert_eq!((next(404, "NoSuchKey"), next(404, "")), (NextAttempt::NotFound, NextAttempt::NotFound));
        assert_eq!(next(400, "RequestTimeout"), NextAttempt::Later);
    }
}
