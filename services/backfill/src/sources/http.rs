//! Requests of sources over HTTP: parts that do not depend on the protocol.

use std::time::Duration;

use domain::Timestamp;
use kit::SaturatingFrom;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, Response, redirect};
use url::{Host, Url};

use crate::config::SourceSection;

/// The maximum number of characters of a server's error in our error.
pub(super) const MESSAGE_CHARS_MAX: usize = 200;

/// Error of a body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Without its address, which has the symbols of others.
    #[error("no response")]
    Transport(#[source] reqwest::Error),
    #[error("{bytes} bytes, at most {max} are allowed")]
    TooLarge { bytes: u64, max: u64 },
}

/// Returns a client of the server at this address. It follows no redirect: another host would get the credentials, or the signature.
pub(super) fn client(section: &SourceSection, url: &Url) -> ClientBuilder {
    let client = reqwest::Client::builder()
        .connect_timeout(section.connect_timeout_ms.into())
        .timeout(section.timeout_ms.into())
        .redirect(redirect::Policy::none());
    if is_loopback(url) { client.no_proxy() } else { client }
}

/// Reads the body, which must not be larger than the bound.
pub(super) async fn body(mut response: Response, max: u64) -> Result<Vec<u8>, BodyError> {
    let too_large = |bytes| BodyError::TooLarge { bytes, max };
    let declared = response.content_length().unwrap_or(0);
    if declared > max {
        return Err(too_large(declared));
    }
    let mut bytes = Vec::with_capacity(usize::saturating_from(declared));
    while let Some(chunk) =
        response.chunk().await.map_err(|error| BodyError::Transport(error.without_url()))?
    {
        let length = u64::saturating_from(bytes.len() + chunk.len());
        if length > max {
            return Err(too_large(length));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Returns the time from which on a server accepts requests again, if it names a number of seconds.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let seconds = number(headers, RETRY_AFTER.as_str())?;
    Some(after(now, Duration::from_secs(seconds.into())))
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u32> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

pub(super) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add_micros(i64::saturating_from(wait.as_micros()))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_on_any_loopback_address_is_requested_directly() {
        let of = |host: &str| is_loopback(&Url::parse(&format!("http://{host}:8080")).unwrap());
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(of(host), "{host}");
        }
        for host in ["data.alpaca.markets", "127.example.com", "10.0.0.1", "[2001:db8::1]"] {
            assert!(!of(host), "{host}");
        }
    }
}
