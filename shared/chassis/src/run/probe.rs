//! Readiness probe (`--probe`) for supervisors that can only run a command, in images without an HTTP client.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("failed to query {address}")]
    Unavailable {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The body of a response other than 200.
    #[error("not ready: {0}")]
    NotReady(String),
}

/// Requests `/ready` from the admin server at this address. Returns without an error if the process is ready.
pub(crate) fn query(admin: SocketAddr) -> Result<(), ProbeError> {
    let address = reachable(admin);
    let response = get_ready(address).map_err(|source| ProbeError::Unavailable { address, source })?;
    match response.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(ProbeError::NotReady(response.rsplit("\r\n").next().unwrap_or_default().to_owned())),
    }
}

/// Uses HTTP/1.0, in which the end of the stream ends the response.
fn get_ready(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // One write: formatting into the stream would send each part in its own packet.
    stream.write_all(format!("GET /ready HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Replaces an unspecified address, on which a server listens, by the loopback address.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, admin.port())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Probes a server that sends this response once.
    fn probe(response: &'static str) -> Result<(), ProbeError> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = SocketAddr::from((Ipv4Addr::UNSPECIFIED, server.local_addr().unwrap().port()));
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            // Reads the whole request, in any number of packets: unread bytes would reset the connection.
            let request = BufReader::new(&stream).lines().map(Result::unwrap);
            assert!(request.take_while(|line| !line.is_empty()).count() > 0);
            stream.write_all(response.as_bytes()).unwrap();
        });
        let result = query(admin);
        serving.join().unwrap();
        result
    }

    #[test]
    fn probe_succeeds_only_if_the_service_is_ready() {
        probe("HTTP/1.0 200 OK\r\n\r\n{}").unwrap();
        let error = probe("HTTP/1.0 503 Service Unavailable\r\n\r\n{\"ready\":false}").unwrap_err();
        assert_eq!(error.to_string(), "not ready: {\"ready\":false}");
    }

    #[test]
    fn probe_without_a_server_fails() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = query(free).unwrap_err();
        assert!(matches!(error, ProbeError::Unavailable { address, .. } if address == free), "{error}");
    }
}
