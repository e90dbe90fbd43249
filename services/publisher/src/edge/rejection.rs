//! Rejection of a whole request, and the response made of it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chassis::serve::error_page;

use super::admission::Full;
use super::body::BodyError;

/// The value of `Retry-After`, in seconds. A batch is acknowledged or times out within seconds.
pub(super) const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// A request of which no finding was published. The text is the `error` of the response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    #[error(
        "request rejected: origin {origin:?} is not this host, and pages of others may not send findings"
    )]
    Origin { origin: String },
    #[error(
        "unsupported content-type {content_type}: send application/json, or application/x-ndjson for lines"
    )]
    ContentType { content_type: String },
    #[error("unsupported content-encoding {encoding:?}: send the body without an encoding")]
    Encoding { encoding: String },
    #[error("unsupported transfer-encoding {coding:?}: send the body without an encoding, chunked or not")]
    Transfer { coding: String },
    #[error("request too large: at most {body_max_bytes} bytes are allowed in one body")]
    TooLarge { body_max_bytes: usize },
    #[error("request timed out: the body did not arrive within {timeout_ms} ms")]
    TimedOut { timeout_ms: u128 },
    #[error("failed to read the body: {cause}")]
    Broken { cause: String },
    #[error("request rejected: the edge is shutting down; retry at another instance, or later")]
    ShuttingDown,
    #[error("request rejected: circuit breaker open, Kafka acknowledges nothing; retry later")]
    BreakerOpen,
    #[error(transparent)]
    Full(#[from] Full),
    #[error("{text}")]
    Body { text: String, is_too_many: bool },
}

impl Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::Origin { .. } => StatusCode::FORBIDDEN,
            // RFC 9112 recommends 501 for a transfer coding, but callers retry a status of 500 and above.
            Self::ContentType { .. } | Self::Encoding { .. } | Self::Transfer { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooLarge { .. } | Self::Body { is_too_many: true, .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken { .. } | Self::Body { .. } => StatusCode::BAD_REQUEST,
            Self::ShuttingDown | Self::BreakerOpen | Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn response(&self) -> Response {
        let mut response = error_page(self.status(), &self.to_string());
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        Self::Body { text: error.to_string(), is_too_many: matches!(error, BodyError::TooMany { .. }) }
    }
}
