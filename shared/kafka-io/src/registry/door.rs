//! How an HTTP client comes in: over TLS where the address says so, with our login where there is one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, StatusCode};

use super::config::RegistryConfig;
use super::error::{RegistryError, is_denial, with_causes};
use crate::access_denied::MaybeAccessDenied;

/// A call of such a client that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(String);

/// A client for calls to the registry of this configuration: its timeout, its authorities, and its login on every call.
///
/// # Errors
/// When the authorities' file can't be read or is none.
pub fn http_client(config: &RegistryConfig) -> Result<ClientBuilder, RegistryError> {
    let mut client = ClientBuilder::new()
        .timeout(Duration::from_millis(config.timeout_ms.into()))
        .default_headers(login(config)?)
        // The registry is a neighbour; a proxy for the outer world would answer in its place.
        .no_proxy();
    if let Some(file) = &config.ca_file {
        let bad = |cause: String| RegistryError::Authorities { file: file.clone(), cause };
        let pem = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
        if authorities.is_empty() {
            return Err(bad("it holds no certificate".to_owned()));
        }
        client = client.tls_certs_only(authorities);
    }
    Ok(client)
}

/// RFC 7617.
fn login(config: &RegistryConfig) -> Result<HeaderMap, RegistryError> {
    let mut headers = HeaderMap::new();
    if let (Some(name), Some(password)) = (&config.username, config.password.expose()) {
        let encoded = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let bad = |error: reqwest::header::InvalidHeaderValue| RegistryError::Url {
            url: config.url.clone(),
            cause: error.to_string(),
        };
        let mut value = HeaderValue::try_from(encoded).map_err(bad)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

// === impl HttpError ===

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self(with_causes(&error.to_string(), &error))
    }
}

impl From<StatusCode> for HttpError {
    fn from(status: StatusCode) -> Self {
        Self(format!("status {status}"))
    }
}

impl MaybeAccessDenied for HttpError {
    fn is_access_denied(&self) -> bool {
        is_denial(&self.0)
    }
}
