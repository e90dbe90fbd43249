//! Failures of a server, a proxy or the network.

use serde_json::Value;

use crate::corruption::corrupt;
use crate::server::{Parameters, Reply};

/// A failure of one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 429 with `Retry-After: 7`.
    RetryAfter,
    /// 429 with this time as `X-RateLimit-Reset`.
    RateLimitReset(u32),
    /// 429 without a time.
    TooManyRequests,
    RequestTimeout,
    InternalError,
    /// 502 with HTML.
    BadGateway,
    Unavailable,
    /// 503 with `Retry-After: 7`.
    UnavailableRetryAfter,
    GatewayTimeout,
    Unauthorized,
    Forbidden,
    InvalidSymbol,
    /// 403: the plan has no recent data.
    RecentData,
    /// 422: the same by another text.
    PastMinutes,
    Redirect,
    NotFound,
    ClosedWithoutResponse,
    ClosedInBody,
    /// Accepts the request and never responds.
    HalfOpen,
    /// Sends a part of the body and never the rest.
    SlowBody,
    /// 200 with the page of a proxy.
    Html,
    MalformedJson,
    /// A body that ends in the middle of a page, with the length of what it has.
    TruncatedPage,
    EmptyBody,
    /// 200 with an error.
    ErrorAsSuccess,
    /// JSON without the key of the token.
    NoToken,
    /// The last page has the token of its request.
    RepeatedToken,
    /// Each page has another token, and no items.
    EndlessPages,
    OtherSymbol,
    OutOfOrder,
    /// The last item is there twice.
    Duplicate,
    OutOfRange,
    Unaligned,
    InvalidTime,
    ZeroPrice,
    HighBelowLow,
    NegativeVolume,
    TextAsPrice,
    TextAsId,
    MissingField,
    EmptyHeadline,
    LongHeadline,
    UpdatedBeforeCreated,
    NegativeRate,
    /// Valid JSON with more bytes than the bound.
    HugeBody,
}

impl Failure {
    /// Returns the bytes of the response to these parameters, and `true` if the connection then stays open.
    pub(crate) fn bytes(self, parameters: &Parameters, reply: impl FnOnce() -> Reply) -> (Vec<u8>, bool) {
        match self {
            Self::ClosedWithoutResponse => (Vec::new(), false),
            Self::HalfOpen => (Vec::new(), true),
            Self::ClosedInBody | Self::SlowBody => {
                let mut bytes = reply().bytes();
                bytes.truncate(bytes.len() - 30);
                (bytes, self == Self::SlowBody)
            }
            _ => (self.status_reply().unwrap_or_else(|| self.body_reply(parameters, reply())).bytes(), false),
        }
    }

    fn status_reply(self) -> Option<Reply> {
        let limited = |header: Option<(&'static str, String)>| {
            let mut reply = Reply::error(429, "too many requests.");
            reply.headers.retain(|(name, _)| *name != "x-ratelimit-reset");
            reply.headers.extend(header);
            reply
        };
        let retry_after = ("retry-after", "7".to_owned());
        Some(match self {
            Self::RetryAfter => limited(Some(retry_after)),
            Self::RateLimitReset(seconds) => limited(Some(("x-ratelimit-reset", seconds.to_string()))),
            Self::TooManyRequests => limited(None),
            Self::RequestTimeout => Reply::error(408, "timeout"),
            Self::InternalError => Reply::error(500, "internal server error occurred"),
            Self::BadGateway => html(502),
            Self::Unavailable => Reply::error(503, "unavailable"),
            Self::UnavailableRetryAfter => {
                let mut reply = Reply::error(503, "unavailable");
                reply.headers.push(retry_after);
                reply
            }
            Self::GatewayTimeout => html(504),
            Self::Unauthorized => Reply::error(401, "unauthorized."),
            Self::Forbidden => Reply::error(403, "forbidden."),
            Self::InvalidSymbol => Reply::error(400, "invalid symbol: AAPL"),
            Self::RecentData => Reply::error(403, "subscription does not permit querying recent SIP data"),
            Self::PastMinutes => {
                Reply::error(422, "subscription does not permit querying data from the past 15 minutes")
            }
            Self::Redirect => {
                let mut reply = html(302);
                reply.headers.push(("location", "http://127.0.0.1:1/".to_owned()));
                reply
            }
            Self::NotFound => Reply::error(404, "endpoint not found."),
            Self::Html => html(200),
            Self::ErrorAsSuccess => Reply::error(200, "internal server error occurred"),
            _ => return None,
        })
    }

    fn body_reply(self, parameters: &Parameters, mut reply: Reply) -> Reply {
        let length = reply.body.len();
        match self {
            // In the middle it may be part of a text.
            Self::MalformedJson => reply.body.insert(1, b'}'),
            Self::TruncatedPage => reply.body.truncate(length / 2),
            Self::EmptyBody => reply.body.clear(),
            Self::HugeBody => reply.body.splice(1..1, vec![b' '; 9 << 20]).for_each(drop),
            _ => {
                let mut page: Value = serde_json::from_slice(&reply.body).expect("a page");
                corrupt(self, &mut page, parameters);
                reply.status = 200;
                reply.body = page.to_string().into_bytes();
            }
        }
        reply
    }
}

fn html(status: u16) -> Reply {
    let body = b"<html><head><title>Proxy</title></head><body>Error</body></html>".to_vec();
    Reply { status, headers: vec![("content-type", "text/html".to_owned())], body }
}
