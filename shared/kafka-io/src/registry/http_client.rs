//! HTTP client with the registry's TLS settings and credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::ErrorChain;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, StatusCode};

use super::config::RegistryConfig;
use super::error::{CaFileError, RegistryError, denies_access};
use crate::access_denied::MaybeAccessDenied;

/// A call with [`http_client`] failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request failed, or the response could not be read.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// The response has an error status.
    #[error("status {0}")]
    Status(StatusCode),
}

/// Returns the builder of a client for the registry of this configuration, with its timeout, certificate authorities and credentials.
///
/// # Errors
/// If the file of certificate authorities can't be loaded, or the credentials can't be sent.
pub fn http_client(config: &RegistryConfig) -> Result<ClientBuilder, RegistryError> {
    let mut client = ClientBuilder::new()
        .timeout(config.timeout_ms.as_duration())
        .default_headers(credentials(config)?)
        // The registry is in the same network; a proxy for the internet would respond in its place.
        .no_proxy();
    if let Some(file) = &config.ca_file {
        let error = |source| RegistryError::CaFile { file: file.clone(), source };
        let pem = std::fs::read(file).map_err(|cause| error(cause.into()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|cause| error(cause.into()))?;
        if authorities.is_empty() {
            return Err(error(CaFileError::Empty));
        }
        client = client.tls_certs_only(authorities);
    }
    Ok(client)
}

/// RFC 7617.
fn credentials(config: &RegistryConfig) -> Result<HeaderMap, RegistryError> {
    let mut headers = HeaderMap::new();
    if let (Some(name), Some(password)) = (&config.username, config.password.expose()) {
        let encoded = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let mut value = HeaderValue::try_from(encoded).map_err(|source| RegistryError::Login { source })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

// === impl HttpError ===

impl From<StatusCode> for HttpError {
    fn from(status: StatusCode) -> Self {
        Self::Status(status)
    }
}

impl MaybeAccessDenied for HttpError {
    fn is_access_denied(&self) -> bool {
        denies_access(&ErrorChain(self).to_string())
    }
}
