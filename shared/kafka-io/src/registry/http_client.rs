//! HTTP client with the registry's TLS settings and credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::ErrorChain;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::config::RegistryConfig;
use super::error::{RegistryCallError, RegistryError};
use crate::certificate;

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
        client = certificate::trust_only(client, &pem).map_err(error)?;
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

/// Reads the response to a request of [`http_client`].
///
/// # Errors
/// The registry's error, or the classification of another response.
pub async fn read_response<T: DeserializeOwned>(response: Response) -> Result<T, RegistryCallError> {
    let status = response.status();
    let body = response.bytes().await?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| RegistryCallError::NotRegistry(error.to_string()));
    }
    let error = serde_json::from_slice::<ErrorBody>(&body).ok();
    let error = error.map(|ErrorBody { error_code, message }| (error_code, message));
    Err(RegistryCallError::of_status(status.as_u16(), format!("status {status}"), error))
}

/// The body of a registry's response with an error status.
#[derive(Deserialize)]
struct ErrorBody {
    error_code: u32,
    message: String,
}

impl From<reqwest::Error> for RegistryCallError {
    /// Classifies a request without a response.
    fn from(error: reqwest::Error) -> Self {
        // The caller names the address.
        let error = error.without_url();
        Self::of_failure(ErrorChain(&error).to_string())
    }
}
