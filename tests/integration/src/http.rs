//! A minimal HTTP client without dependencies, for the registry and the admin servers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

/// Sends one request to a loopback port (HTTP/1.0, so that the end of the stream ends the body).
///
/// # Errors
/// There is no response in time, or it is not HTTP.
pub fn request(port: u16, method: &str, path: &str, body: &str) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n\
         content-type: application/vnd.schemaregistry.v1+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other(format!("invalid HTTP response: {text:?}")))
}

fn parse(text: &str) -> Option<Reply> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Reply { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn response_has_status_and_body() {
        let reply = parse("HTTP/1.0 404 Not Found\r\na: b\r\n\r\n{\"x\":1}").unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (404, "{\"x\":1}"));
        assert!(parse("SSH-2.0-something").is_none());
    }
}
