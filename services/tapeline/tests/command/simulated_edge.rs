//! An HTTP edge that accepts every line, with a body limit of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

/// The requests of an edge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    /// The accepted lines.
    pub(crate) lines: Vec<String>,
    /// The size of each request, rejected ones included.
    pub(crate) bodies: Vec<usize>,
}

pub(crate) struct SimulatedEdge {
    pub(crate) address: String,
    received: Arc<Mutex<Received>>,
}

/// The responses of an edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// A longer body has the status 413.
    pub(crate) body_max_bytes: usize,
    /// A connection after this number of requests is closed without a response.
    pub(crate) requests_max: usize,
    /// The status of every response, instead of results.
    pub(crate) status: Option<u16>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { body_max_bytes: 8 << 20, requests_max: usize::MAX, status: None }
    }
}

impl SimulatedEdge {
    /// Starts an edge, which ends with the test.
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), behaviour, &shared);
            }
        });
        Self { address, received }
    }

    pub(crate) fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, behaviour: Behaviour, received: &Mutex<Received>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut received = received.lock().unwrap();
    received.bodies.push(length);
    if received.bodies.len() > behaviour.requests_max {
        return;
    }
    let (status, text) = match behaviour.status {
        Some(status) => (status, "<html>\u{1b}[2J</html>".to_owned()),
        None if length > behaviour.body_max_bytes => (413, json!({"error": "body too large"}).to_string()),
        None => {
            let lines: Vec<String> = String::from_utf8(body).unwrap().lines().map(str::to_owned).collect();
            let result = |index| json!({"index": index, "outcome": "accepted", "topic": "t", "partition": 0, "offset": index});
            let results: Vec<_> = (0..lines.len()).map(result).collect();
            received.lines.extend(lines);
            (200, json!({ "results": results }).to_string())
        }
    };
    let head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    let mut stream = stream;
    stream.write_all((head + &text).as_bytes()).unwrap();
}
