//! The functions of `certificate.rs` in a build without the feature `security`. Configurations that need them are rejected.

use reqwest::ClientBuilder;

use crate::ca_file_error::CaFileError;
use crate::config::KafkaConfig;

pub(crate) fn trust_only(_client: ClientBuilder, _pem: &[u8]) -> Result<ClientBuilder, CaFileError> {
    Err(CaFileError::NoSecurity)
}

pub(crate) fn verify_error(_config: &KafkaConfig) -> Option<String> {
    None
}
