//! Errors of Alpaca, and their class as errors of a source.

use std::sync::Arc;
use std::time::Duration;

use domain::{Symbol, Timestamp};

use super::pages::PageError;
use crate::sources::SourceError;

/// The name of the source.
pub(super) const NAME: &str = "alpaca";

/// The maximum number of bytes of a response: several times a page of 10,000 bars.
pub(in crate::sources) const RESPONSE_BYTES_MAX: usize = 8 << 20;

/// The maximum number of pages of a request. Even without an end of its pages, a server costs a bounded number of requests.
pub(super) const PAGES_MAX: usize = 1_000;

/// Error of a call to Alpaca.
#[derive(Debug, thiserror::Error)]
pub(super) enum AlpacaError {
    #[error("no response")]
    Transport(#[source] reqwest::Error),
    #[error("status {status}: {message:?}")]
    Status {
        status: u16,
        message: String,
        /// The time from which on the server accepts requests again, if it names one.
        retry_at: Option<Timestamp>,
    },
    #[error("response has more than {RESPONSE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("more than {PAGES_MAX} pages")]
    TooManyPages,
    #[error("page {page}")]
    Page {
        page: usize,
        #[source]
        cause: PageError,
    },
    #[error("no bars of any date")]
    Unlisted,
    #[error("not complete within {0:?}")]
    Deadline(Duration),
    /// No request was made.
    #[error("the quota of requests has no room before {0}")]
    Quota(Timestamp),
}

impl AlpacaError {
    /// Returns `true` if the plan of the key does not include recent data.
    pub(super) fn is_recent_data_rejected(&self) -> bool {
        let Self::Status { status: 403 | 422, message, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        message.contains("subscription does not permit")
            && (message.contains("recent") || message.contains("past"))
    }

    /// Returns `true` if the server does not accept the form of a symbol.
    fn is_invalid_symbol(&self) -> bool {
        matches!(self, Self::Status { status: 400 | 422, message, .. }
            if message.to_ascii_lowercase().contains("invalid symbol"))
    }

    /// Returns `true` if a call without one of its symbols may succeed.
    pub(super) fn may_be_of_one_symbol(&self) -> bool {
        match self {
            Self::Status { status: 400 | 422, .. } => !self.is_recent_data_rejected(),
            Self::Page { cause, .. } => !cause.is_no_json(),
            Self::TooLarge | Self::TooManyPages => true,
            _ => false,
        }
    }
}

/// A failed call of a worker.
#[derive(Debug)]
pub(super) struct FailedCall {
    pub(super) error: Arc<AlpacaError>,
    /// `true` if another worker made the call, and returns the error as its own.
    pub(super) is_shared: bool,
}

impl From<AlpacaError> for FailedCall {
    fn from(error: AlpacaError) -> Self {
        Self { error: Arc::new(error), is_shared: false }
    }
}

impl FailedCall {
    /// Classifies the error of a call for `symbol`.
    pub(super) fn into_source_error(self, symbol: Symbol) -> SourceError {
        use AlpacaError as E;
        let Self { error, is_shared } = self;
        let source_error = match &*error {
            E::Transport(_) | E::Deadline(_) => SourceError::transient(NAME, error),
            E::Status { status: 429 | 500.., retry_at: Some(until), .. } => {
                SourceError::transient_until(NAME, *until, error)
            }
            E::Status { status: 408 | 429 | 500.., .. } => SourceError::transient(NAME, error),
            E::Page { cause, .. } if cause.is_no_json() => SourceError::transient(NAME, error),
            E::Page { cause, .. } if cause.is_other_form() => SourceError::permanent(NAME, error),
            E::Page { .. } | E::TooLarge | E::TooManyPages => SourceError::invalid_range(NAME, error),
            E::Unlisted => SourceError::unknown_symbol(NAME, symbol, error),
            E::Status { .. } if error.is_invalid_symbol() => SourceError::unknown_symbol(NAME, symbol, error),
            E::Status { .. } => SourceError::permanent(NAME, error),
            E::Quota(until) => SourceError::busy(NAME, *until, error),
        };
        if is_shared { source_error.shared() } else { source_error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, message: &str) -> AlpacaError {
        AlpacaError::Status { status, message: message.to_owned(), retry_at: None }
    }

    fn class(error: AlpacaError) -> &'static str {
        match FailedCall::from(error).into_source_error(Symbol::constant("AAPL")) {
            SourceError::Transient { .. } => "transient",
            SourceError::Busy { .. } => "busy",
            SourceError::BeingWritten { .. } => "being written",
            SourceError::InvalidRange { .. } => "invalid range",
            SourceError::Permanent { .. } => "permanent",
            SourceError::UnknownSymbol { .. } => "unknown symbol",
        }
    }

    #[test]
    fn status_decides_about_another_attempt() {
        let transient = [408, 429, 500, 502, 503, 504, 599];
        assert!(transient.iter().all(|code| class(status(*code, "")) == "transient"));
        let permanent = [301, 400, 401, 403, 404, 422];
        assert!(permanent.iter().all(|code| class(status(*code, "unauthorized")) == "permanent"));
        for code in [400, 422] {
            assert_eq!(class(status(code, "invalid symbol: AAPL")), "unknown symbol");
        }
    }

    #[test]
    fn only_rejections_of_recent_data_lower_the_horizon() {
        let recent = "subscription does not permit querying recent SIP data";
        let past = "Subscription does not permit querying data from the past 15 minutes";
        for text in [recent, past] {
            assert!([403, 422].iter().all(|code| status(*code, text).is_recent_data_rejected()));
            assert!(!status(400, text).is_recent_data_rejected());
        }
        assert!(!status(403, "subscription does not permit querying OTC data").is_recent_data_rejected());
        assert!(!status(403, "forbidden.").is_recent_data_rejected());
    }
}
