//! An HTTP edge that accepts every line, with a body limit of its own.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::http_server::{self, Request, Response};

/// The requests of an edge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    /// The accepted lines.
    pub(crate) lines: Vec<String>,
    /// The size of each request, rejected ones included.
    pub(crate) bodies: Vec<usize>,
    /// The header `Host` of each request.
    pub(crate) hosts: Vec<String>,
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
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = Arc::clone(&received);
        let address = http_server::start(move |request| respond(request, behaviour, &shared));
        Self { address, received }
    }

    pub(crate) fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }
}

fn respond(request: Request, behaviour: Behaviour, received: &Mutex<Received>) -> Response {
    let mut received = received.lock().unwrap();
    let length = request.body.len();
    received.bodies.push(length);
    received.hosts.push(request.host);
    if received.bodies.len() > behaviour.requests_max {
        return None;
    }
    Some(match behaviour.status {
        Some(status) => (status, "<html>\u{1b}[2J</html>".to_owned()),
        None if length > behaviour.body_max_bytes => (413, json!({"error": "body too large"}).to_string()),
        None => {
            let body = String::from_utf8(request.body).unwrap();
            let lines: Vec<String> = body.lines().map(str::to_owned).collect();
            let result = |index| json!({"index": index, "outcome": "accepted", "topic": "t", "partition": 0, "offset": index});
            let results: Vec<_> = (0..lines.len()).map(result).collect();
            received.lines.extend(lines);
            (200, json!({ "results": results }).to_string())
        }
    })
}
