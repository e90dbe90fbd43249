//! A proxy as operators put before a registry: TLS, and a login (HTTP basic authentication).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use openssl::base64::encode_block;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

/// What nginx says to who has no login.
const TURNED_AWAY: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"registry\"\r\nContent-Type: text/html\r\n\
    Content-Length: 48\r\nConnection: close\r\n\r\n<html><h1>401 Authorization Required</h1></html>";

/// The proxy; it lasts as long as the process.
#[derive(Debug)]
pub struct Front {
    port: u16,
}

// === impl Front ===

impl Front {
    /// Stands before `port` of the loopback address, with the certificate and key of this PEM file, for this login alone.
    ///
    /// # Errors
    /// When OpenSSL refuses the certificate, or there is no port.
    pub fn start(port: u16, certificate: &Path, user: &str, password: &str) -> io::Result<Self> {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate_chain_file(certificate)?;
        acceptor.set_private_key_file(certificate, SslFiletype::PEM)?;
        let acceptor = acceptor.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let front = Self { port: listener.local_addr()?.port() };
        let login: Arc<str> =
            format!("Basic {}", encode_block(format!("{user}:{password}").as_bytes())).into();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (acceptor, login) = (acceptor.clone(), Arc::clone(&login));
                // A client that hangs up is the client's affair.
                thread::spawn(move || acceptor.accept(connection).map(|tls| serve(tls, port, &login)).ok());
            }
        });
        Ok(front)
    }

    /// Its port on the loopback address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// One request, then the connection ends.
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
        return client.write_all(TURNED_AWAY.as_bytes());
    }
    let mut registry = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    registry.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    registry.write_all(&request[head..])?;
    let mut answer = Vec::new();
    registry.read_to_end(&mut answer)?;
    client.write_all(&answer)
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
