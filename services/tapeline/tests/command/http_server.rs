//! An HTTP server that a test scripts. It ends with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

pub(crate) struct Request {
    /// Method and path: `GET /subjects`.
    pub(crate) target: String,
    /// The header `Host`.
    pub(crate) host: String,
    pub(crate) body: Vec<u8>,
}

/// Status and body; `None` closes the connection without a response.
pub(crate) type Response = Option<(u16, String)>;

/// Starts a server, one request at a time, and returns its address, host:port.
pub(crate) fn start(respond: impl Fn(Request) -> Response + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(&stream.unwrap(), &respond);
        }
    });
    address
}

fn serve(mut stream: &TcpStream, respond: &impl Fn(Request) -> Response) {
    let mut reader = BufReader::new(stream);
    let (mut target, mut host, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
            break;
        }
        if target.is_empty() {
            target = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
        } else if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        } else if let Some(value) = line.to_lowercase().strip_prefix("host:") {
            value.trim().clone_into(&mut host);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let Some((status, text)) = respond(Request { target, host, body }) else { return };
    let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    stream.write_all((head + &text).as_bytes()).unwrap();
}
