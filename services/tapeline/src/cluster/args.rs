//! Arguments that name a cluster.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;

/// The addresses of a cluster. Every command accepts all of them and uses those that it needs.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Bootstrap servers of Kafka, comma-separated host:port [default: from the configuration, else 127.0.0.1:9092]
    #[arg(long)]
    pub brokers: Option<String>,
    /// File with the sections [kafka] and [registry] of a service, for example TLS and credentials. Environment variables
    /// TAPELINE__KAFKA__… and TAPELINE__REGISTRY__… override it
    #[arg(long, value_name = "FILE")]
    pub kafka_config: Option<PathBuf>,
    /// Base URL of a Confluent-compatible schema registry [default: from the configuration, else http://127.0.0.1:8081]
    #[arg(long)]
    pub registry: Option<String>,
}

/// An address argument that cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The text is not `host:port`, or the host is unknown.
    // A flag's error is printed without its sources.
    #[error("failed to resolve host:port: {0}")]
    Unresolved(io::Error),
    /// The name resolves to no address.
    #[error("host has no address")]
    NoAddress,
}

/// Resolves `host:port` to one address: the first of IPv4, if the name has any. `localhost` often has an address of IPv6 too, on which
/// a server for 127.0.0.1 does not listen.
///
/// # Errors
/// [`AddressError`] if the text is malformed or the host cannot be resolved.
pub fn parse_socket_address(text: &str) -> Result<SocketAddr, AddressError> {
    let addresses: Vec<SocketAddr> = text.to_socket_addrs().map_err(AddressError::Unresolved)?.collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or(AddressError::NoAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_a_host_name_or_ip_with_a_port() {
        assert_eq!(parse_socket_address("127.0.0.1:80").unwrap(), SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(parse_socket_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(parse_socket_address("localhost:80").unwrap().port(), 80);
        assert!(matches!(parse_socket_address("localhost"), Err(AddressError::Unresolved(_))));
    }
}
