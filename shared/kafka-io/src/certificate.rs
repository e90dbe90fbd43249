//! Trusted certificate authorities, and the reason why a broker's certificate is not trusted.
//!
//! librdkafka reports only that verification failed. A second connection with OpenSSL finds out whether the certificate has expired,
//! belongs to another host, or comes from an unknown authority.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509StoreContextRef;
use reqwest::{Certificate, ClientBuilder};

use crate::ca_file_error::CaFileError;
use crate::config::KafkaConfig;

/// Limit for connecting to one broker, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Lets an HTTP client trust only the authorities of a PEM file.
pub(crate) fn trust_only(client: ClientBuilder, pem: &[u8]) -> Result<ClientBuilder, CaFileError> {
    let authorities = Certificate::from_pem_bundle(pem)?;
    if authorities.is_empty() {
        return Err(CaFileError::Empty);
    }
    Ok(client.tls_certs_only(authorities))
}

/// Returns OpenSSL's verification error for the first broker of `brokers` that presents a bad certificate. `None` if there is no such
/// broker or no TLS. Blocks for some seconds.
pub(crate) fn verify_error(config: &KafkaConfig) -> Option<String> {
    if !config.security.protocol.is_encrypted() {
        return None;
    }
    config.brokers.split(',').find_map(|address| verify_error_of(config, address.trim()))
}

fn verify_error_of(config: &KafkaConfig, address: &str) -> Option<String> {
    let found = Arc::new(Mutex::new(None));
    let connector = connector(config, Arc::clone(&found))?;
    let stream = connect(address)?;
    let (host, _) = address.rsplit_once(':')?;
    // Only the verification matters, not the connection.
    drop(connector.connect(host, stream));
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(format!("the certificate of {address} is not trusted: {found}"))
}

fn connector(config: &KafkaConfig, found: Arc<Mutex<Option<String>>>) -> Option<SslConnector> {
    let mut builder: SslConnectorBuilder = SslConnector::builder(SslMethod::tls_client()).ok()?;
    if let Some(file) = &config.security.ca_file {
        builder.set_ca_file(file).ok()?;
    }
    builder.set_verify_callback(SslVerifyMode::PEER, move |is_good, context| {
        if !is_good {
            found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| describe(context));
        }
        is_good
    });
    Some(builder.build())
}

fn describe(context: &X509StoreContextRef) -> String {
    let reason = context.error().error_string();
    match context.current_cert() {
        Some(certificate) => format!(
            "{reason} (subject {:?}, valid from {} to {})",
            certificate.subject_name(),
            certificate.not_before(),
            certificate.not_after()
        ),
        None => reason.to_owned(),
    }
}

fn connect(address: &str) -> Option<TcpStream> {
    let mut addresses = address.to_socket_addrs().ok()?;
    let stream = addresses.find_map(|address| TcpStream::connect_timeout(&address, TIMEOUT).ok())?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    Some(stream)
}
