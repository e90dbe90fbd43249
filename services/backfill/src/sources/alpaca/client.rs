//! Requests to Alpaca: one page each, within the quota and with bounded bodies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::Clock;
use domain::Timestamp;
use kit::SaturatingFrom;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::error::{AlpacaError, RESPONSE_BYTES_MAX};
use super::query::{Api, Query};
use super::quota::Quota;
use crate::config::SourceSection;
use crate::sources::http::{self, BodyError, MESSAGE_CHARS_MAX, after, body, number, retry_after};

const KEY_ID: &str = "APCA-API-KEY-ID";
const SECRET: &str = "APCA-API-SECRET-KEY";
const RATE_LIMIT_RESET: &str = "X-RateLimit-Reset";

/// A client with the credentials and the quota of one key.
pub(super) struct Client {
    http: reqwest::Client,
    api: Api,
    quota: Mutex<Quota>,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Creates a client. `None` if the section is invalid.
    ///
    /// # Errors
    /// If the TLS library can't be initialised.
    pub(super) fn new(
        section: &SourceSection,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, reqwest::Error> {
        let (Some(api), Some(headers)) = (Api::new(section), credentials(section)) else {
            return Ok(None);
        };
        Ok(Some(Self {
            http: http::client(section, api.url()).default_headers(headers).build()?,
            api,
            quota: Mutex::new(Quota::new(section.requests_per_minute)),
            clock,
        }))
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.wall_micros())
    }

    /// Returns the body of a page. Waits for the quota until the deadline at most.
    pub(super) async fn page(
        &self,
        query: Query<'_>,
        token: Option<&str>,
        deadline: Instant,
    ) -> Result<Vec<u8>, AlpacaError> {
        let wait_max = deadline.saturating_duration_since(Instant::now());
        let reserved = self.with_quota(|quota, now| quota.reserve(now, wait_max));
        let wait = reserved.map_err(|wait| AlpacaError::Quota(after(self.now(), wait)))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let response = self.http.get(self.api.address(query, token)).send().await.map_err(transport)?;
        let status = response.status();
        if status == StatusCode::OK {
            return page_body(response).await;
        }
        let retry_at = retry_at(status, response.headers(), self.now());
        if let (StatusCode::TOO_MANY_REQUESTS, Some(time)) = (status, retry_at) {
            let wait = Duration::from_micros(u64::try_from(time.micros_since(self.now())).unwrap_or(0));
            self.with_quota(|quota, now| quota.pause_until(now.saturating_add(wait)));
        }
        // A body that can't be read changes nothing about the status.
        let message = page_body(response).await.map_or_else(|_| String::new(), |body| message_of(&body));
        Err(AlpacaError::Status { status: status.as_u16(), message, retry_at })
    }

    fn with_quota<T>(&self, update: impl FnOnce(&mut Quota, Duration) -> T) -> T {
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        update(&mut quota, self.clock.monotonic())
    }
}

fn credentials(section: &SourceSection) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, secret) in [(KEY_ID, &section.key_id), (SECRET, &section.secret)] {
        let mut value = HeaderValue::from_str(secret.expose()?).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

/// Reads the body of a response.
async fn page_body(response: Response) -> Result<Vec<u8>, AlpacaError> {
    body(response, u64::saturating_from(RESPONSE_BYTES_MAX)).await.map_err(|error| match error {
        BodyError::Transport(cause) => AlpacaError::Transport(cause),
        BodyError::TooLarge { .. } => AlpacaError::TooLarge,
    })
}

/// The address is in the configuration, and has the symbols of others.
fn transport(error: reqwest::Error) -> AlpacaError {
    AlpacaError::Transport(error.without_url())
}

/// Returns the time from which on the server accepts requests again. When the quota is used up: the later one of both headers.
fn retry_at(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let reset = number(headers, RATE_LIMIT_RESET).filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
    let reset = reset.map(|seconds| Timestamp::from_micros(i64::from(seconds) * 1_000_000));
    retry_after(headers, now).into_iter().chain(reset).max()
}

/// The body of an error.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

fn message_of(body: &[u8]) -> String {
    let error = serde_json::from_slice::<ErrorBody>(body).map(|error| error.message);
    let text = error.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    text.trim().chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn later_one_of_both_headers_counts() {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        let of = |status, pairs: &[(&'static str, &'static str)]| {
            retry_at(status, &headers(pairs), now).map(|time| time.micros_since(now) / 1_000_000)
        };
        let seconds = |pairs| of(StatusCode::TOO_MANY_REQUESTS, pairs);
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        assert_eq!(seconds(&[("x-ratelimit-reset", "1000000030")]), Some(30));
        assert_eq!(seconds(&[("retry-after", "7"), ("x-ratelimit-reset", "1000000030")]), Some(30));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
        assert_eq!(seconds(&[]), None);
        let both = [("retry-after", "7"), ("x-ratelimit-reset", "1000000030")];
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE, &both), Some(7), "each response has a reset");
    }
}
