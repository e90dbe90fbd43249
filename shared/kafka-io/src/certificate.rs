//! Why a broker's certificate isn't trusted. librdkafka says only that it isn't; OpenSSL, asked the same over a connection of our own,
//! knows whether it has expired, is another host's, or comes from an authority that nobody vouches for.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509StoreContextRef;

use crate::config::KafkaConfig;

/// How long one broker may take to connect, and to each answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What OpenSSL holds against the certificate of the first broker of `brokers` that shows a bad one. Blocks for some seconds.
pub(crate) fn distrust(config: &KafkaConfig) -> Option<String> {
    if !config.security.protocol.is_encrypted() {
        return None;
    }
    config.brokers.split(',').find_map(|address| distrust_of(config, address.trim()))
}

fn distrust_of(config: &KafkaConfig, address: &str) -> Option<String> {
    let found = Arc::new(Mutex::new(None));
    let connector = connector(config, Arc::clone(&found))?;
    let stream = connect(address)?;
    let (host, _) = address.rsplit_once(':')?;
    // What becomes of the connection doesn't matter: the verdict on the certificate comes before.
    drop(connector.connect(host, stream));
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(format!("the certificate of {address} is not trusted: {found}"))
}

fn connector(config: &KafkaConfig, found: Arc<Mutex<Option<String>>>) -> Option<SslConnector> {
    let mut builder: SslConnectorBuilder = SslConnector::builder(SslMethod::tls_client()).ok()?;
    if let Some(file) = &config.security.ca_file {
        builder.set_ca_file(file).ok()?;
    }
    builder.set_verify_callback(SslVerifyMode::PEER, move |is_good, seen| {
        if !is_good {
            found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| verdict(seen));
        }
        is_good
    });
    Some(builder.build())
}

fn verdict(seen: &X509StoreContextRef) -> String {
    let reason = seen.error().error_string();
    match seen.current_cert() {
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
    let mut places = address.to_socket_addrs().ok()?;
    let stream = places.find_map(|place| TcpStream::connect_timeout(&place, PATIENCE).ok())?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}
