//! A reverse proxy in front of the registry with TLS and HTTP basic authentication.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use openssl::base64::encode_block;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

/// The response of nginx to a request without a valid login.
const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"registry\"\r\nContent-Type: text/html\r\n\
    Content-Length: 48\r\nConnection: close\r\n\r\n<html><h1>401 Authorization Required</h1></html>";

/// The proxy; it runs until the process exits.
#[derive(Debug)]
pub struct TlsProxy {
    port: u16,
}

// === impl TlsProxy ===

impl TlsProxy {
    /// Starts a proxy of `port` on the loopback address, with the certificate and key in this PEM file, that accepts only this
    /// login.
    ///
    /// # Errors
    /// The certificate is invalid, or no port can be bound.
    pub fn start(port: u16, certificate: &Path, user: &str, password: &str) -> io::Result<Self> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate_chain_file(certificate)?;
        acceptor.set_private_key_file(certificate, SslFiletype::PEM)?;
        let acceptor = acceptor.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self { port: listener.local_addr()?.port() };
        let login: Arc<str> =
            format!("Basic {}", encode_block(format!("{user}:{password}").as_bytes())).into();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (acceptor, login) = (acceptor.clone(), Arc::clone(&login));
                // An error affects only the client.
                thread::spawn(move || acceptor.accept(connection).map(|tls| serve(tls, port, &login)).ok());
            }
        });
        Ok(proxy)
    }

    /// Returns its port on the loopback address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Serves one request and closes the connection.
fn serve(mut client: impl Read + Write, port: u16, login: &str) -> io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        read_some(&mut client, &mut request)?;
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let header = |name: &str| {
        let of =
            |line: &str| line.split_once(": ").map(|(key, value)| (key.to_lowercase(), value.to_owned()));
        text.lines().filter_map(of).find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.len() < head + length {
        read_some(&mut client, &mut request)?;
    }
    if header("authorization").as_deref() != Some(login) {
        return client.write_all(UNAUTHORIZED.as_bytes());
    }
    let mut registry = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    registry.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    registry.write_all(&request[head..])?;
    let mut response = Vec::new();
    registry.read_to_end(&mut response)?;
    client.write_all(&response)
}

fn read_some(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4_096];
    match from.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            into.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}
