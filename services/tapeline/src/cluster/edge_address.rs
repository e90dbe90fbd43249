//! Addresses of HTTP servers in arguments: `host:port`, or the URL that `dev` prints.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use url::{Host, Url};

/// The path of the edge, which `dev` prints.
const EDGE_PATH: &str = "/v1/findings";

/// An argument that is no address. A flag's error is printed without its sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `host:port` or a URL.
    #[error("expected host:port: {0}")]
    Parse(#[from] url::ParseError),
    /// `host` alone. In a URL, the port of HTTP is meant.
    #[error("expected host:port: the port is missing")]
    NoPort,
    /// A port to listen on, not to connect to.
    #[error("its port is 0")]
    PortZero,
    /// Neither the edge nor the admin server has TLS.
    #[error("its scheme is {0}, expected http")]
    Scheme(String),
    /// The servers have no logins in addresses.
    #[error("it contains a user")]
    User,
    /// Another path than that of the server.
    #[error("its path is {found}, expected {expected} or none")]
    Path {
        /// The path of the address.
        found: String,
        /// The path of the server.
        expected: &'static str,
    },
    /// A query or a fragment.
    #[error("it has a query or a fragment")]
    Query,
    /// The host of an address to listen on is unknown.
    #[error("failed to resolve host: {0}")]
    Unresolved(String),
}

/// The host of an edge has no address.
#[derive(Debug, thiserror::Error)]
#[error("failed to resolve edge {edge}")]
pub struct ResolveError {
    edge: EdgeAddress,
    source: io::Error,
}

/// The address of a running edge, not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeAddress {
    host: Host<String>,
    port: u16,
}

/// The address of a running edge with one socket address of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedEdge {
    /// As it was given. Requests name its host: a proxy in front of the edge may depend on the name.
    pub address: EdgeAddress,
    pub socket: SocketAddr,
}

impl EdgeAddress {
    /// Resolves the host to one address.
    ///
    /// # Errors
    /// If the host is unknown, or no name server responds.
    pub async fn resolve(&self) -> Result<ResolvedEdge, ResolveError> {
        let failed = |source| ResolveError { edge: self.clone(), source };
        let addresses = tokio::net::lookup_host(self.to_string()).await.map_err(failed)?;
        let socket = first(addresses).map_err(failed)?;
        Ok(ResolvedEdge { address: self.clone(), socket })
    }

    /// Returns the name of the host. `None` if it is an IP address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

impl From<SocketAddr> for EdgeAddress {
    fn from(socket: SocketAddr) -> Self {
        let host = match socket.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        Self { host, port: socket.port() }
    }
}

impl From<SocketAddr> for ResolvedEdge {
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.into(), socket }
    }
}

impl FromStr for EdgeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match parse(text, EDGE_PATH)? {
            Self { port: 0, .. } => Err(AddressError::PortZero),
            address => Ok(address),
        }
    }
}

impl fmt::Display for EdgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Parses and resolves the address on which an edge of this process listens.
///
/// # Errors
/// [`AddressError`] if the text is malformed or the host cannot be resolved.
pub fn parse_edge_listen_address(text: &str) -> Result<SocketAddr, AddressError> {
    listen_address(text, EDGE_PATH)
}

/// Parses and resolves the address on which the admin server of this process listens.
///
/// # Errors
/// [`AddressError`] if the text is malformed or the host cannot be resolved.
pub fn parse_admin_listen_address(text: &str) -> Result<SocketAddr, AddressError> {
    listen_address(text, "/")
}

fn listen_address(text: &str, path: &'static str) -> Result<SocketAddr, AddressError> {
    let addresses = parse(text, path)?.to_string().to_socket_addrs();
    addresses.and_then(first).map_err(|error| AddressError::Unresolved(error.to_string()))
}

/// Returns the first address of IPv4, if there is any. `localhost` often has an address of IPv6 too, on which a server for 127.0.0.1 does
/// not listen.
fn first(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "host has no address"))
}

fn parse(text: &str, path: &'static str) -> Result<EdgeAddress, AddressError> {
    let url = if text.contains("://") {
        Url::parse(text)?
    } else {
        // The parser drops the port of the scheme.
        let (_, port) =
            text.split('/').next().unwrap_or(text).rsplit_once(':').ok_or(AddressError::NoPort)?;
        if port.is_empty() || port.ends_with(']') {
            return Err(AddressError::NoPort);
        }
        Url::parse(&format!("http://{text}"))?
    };
    if url.scheme() != "http" {
        return Err(AddressError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::User);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(AddressError::Query);
    }
    if url.path() != "/" && url.path() != path {
        return Err(AddressError::Path { found: url.path().to_owned(), expected: path });
    }
    let host = url.host().ok_or(url::ParseError::EmptyHost)?.to_owned();
    Ok(EdgeAddress { host, port: url.port_or_known_default().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, AddressError> {
        text.parse().map(|address: EdgeAddress| address.to_string())
    }

    #[test]
    fn edge_is_host_and_port_or_the_url_that_dev_prints() {
        for text in [
            "127.0.0.1:80",
            "127.0.0.1:80/",
            "127.0.0.1:80/v1/findings",
            "http://127.0.0.1",
            "HTTP://127.0.0.1:80/",
            "http://127.0.0.1:80/v1/findings",
        ] {
            assert_eq!(parsed(text).unwrap(), "127.0.0.1:80", "{text}");
        }
        assert_eq!(parsed("[::1]:8080").unwrap(), "[::1]:8080");
        assert_eq!(parsed("http://edge:8080/v1/findings").unwrap(), "edge:8080");
    }

    #[test]
    fn text_that_is_no_address_of_an_edge_is_named() {
        for (text, error) in [
            ("http://edge:80/v1/finding", "its path is /v1/finding, expected /v1/findings or none"),
            ("edge:80/v1/findings/", "its path is /v1/findings/, expected /v1/findings or none"),
            ("https://edge:80", "its scheme is https, expected http"),
            ("http://me:hunter2@edge:80", "it contains a user"),
            ("edge:80?a=b", "it has a query or a fragment"),
            ("http://edge:80?a=b", "it has a query or a fragment"),
            ("edge", "expected host:port: the port is missing"),
            ("edge/v1:80", "expected host:port: the port is missing"),
            ("[::1]", "expected host:port: the port is missing"),
            ("edge:", "expected host:port: the port is missing"),
            ("edge:0", "its port is 0"),
            ("edge:99999", "expected host:port: invalid port number"),
            ("a b:80", "expected host:port: invalid international domain name"),
            (":80", "expected host:port: empty host"),
        ] {
            assert_eq!(parsed(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn listen_address_may_have_port_0_and_the_path_of_its_server() {
        assert_eq!(parse_edge_listen_address("localhost:0").unwrap().port(), 0);
        let edge = parse_edge_listen_address("http://127.0.0.1:80/v1/findings").unwrap();
        assert_eq!(edge, parse_admin_listen_address("http://127.0.0.1:80/").unwrap());
        assert!(matches!(
            parse_admin_listen_address("127.0.0.1:80/v1/findings"),
            Err(AddressError::Path { expected: "/", .. })
        ));
        let unknown = parse_edge_listen_address("unknown.invalid:80");
        assert!(matches!(unknown, Err(AddressError::Unresolved(_))), "{unknown:?}");
    }

    #[tokio::test]
    async fn unknown_host_is_an_error_of_the_resolution() {
        let edge: EdgeAddress = "unknown.invalid:80".parse().unwrap();
        assert_eq!(
            edge.resolve().await.unwrap_err().to_string(),
            "failed to resolve edge unknown.invalid:80"
        );
        let edge: EdgeAddress = "localhost:80".parse().unwrap();
        assert!(edge.resolve().await.unwrap().socket.ip().is_loopback());
    }
}
