//! A continuous load of findings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use integration::{request, wait_until};
use serde_json::{Value, json};

use crate::cluster::EDGE_PORT;

/// Findings per request, and the interval of requests: about 200 findings per second if the edge keeps up.
const BATCH: usize = 20;
const PACE: Duration = Duration::from_millis(100);

/// Maximum time until a batch is accepted.
const TIMEOUT: Duration = Duration::from_secs(120);

const ALPHABET: usize = 26;

/// Posts alerts, each with a symbol that no other has in this process, until it is ended.
pub(crate) struct Load {
    ending: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start() -> Self {
        let (ending, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (Arc::clone(&ending), Arc::clone(&accepted));
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                let due = Instant::now() + PACE;
                post((0..BATCH).map(|_| alert()).collect());
                count.fetch_add(BATCH, Ordering::Relaxed);
                // The interval of the load.
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { ending, accepted, thread }
    }

    /// Waits until this many more alerts have been accepted.
    pub(crate) fn wait_for_more(&self, more: usize) {
        let wanted = self.accepted.load(Ordering::Relaxed) + more;
        let in_time = wait_until(TIMEOUT, || {
            self.accepted.load(Ordering::Relaxed) >= wanted || self.thread.is_finished()
        });
        assert!(
            in_time && !self.thread.is_finished(),
            "no progress of the load: {:?} accepted",
            self.accepted
        );
    }

    /// Ends the load and returns the number of accepted alerts.
    pub(crate) fn end(self) -> usize {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Posts until each finding is accepted: those that were not accepted, or whose outcome is unknown, are posted again.
pub(crate) fn post(mut findings: Vec<Value>) {
    let mut response = String::new();
    let is_accepted = wait_until(TIMEOUT, || {
        match request(EDGE_PORT, "POST", "/v1/findings", &Value::from(findings.clone()).to_string()) {
            Ok(reply) => {
                response = reply.body;
                let body: Value = serde_json::from_str(&response).unwrap_or_default();
                if let Some(results) = body["results"].as_array() {
                    let outcomes = results.iter().map(|result| result["outcome"] == "accepted");
                    findings =
                        findings.drain(..).zip(outcomes).filter(|(_, is)| !is).map(|(it, _)| it).collect();
                }
            }
            Err(cause) => response = cause.to_string(),
        }
        findings.is_empty()
    });
    assert!(is_accepted, "{} findings were not accepted: {response}", findings.len());
}

fn alert() -> Value {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let digit =
        |power: u32| char::from(b'A' + u8::try_from(number / ALPHABET.pow(power) % ALPHABET).unwrap());
    let symbol: String = (0..5).rev().map(digit).collect();
    json!({
        "event": "scanner.alert.raised", "symbol": symbol, "alert_type": "volume_spike", "score": 0.9,
        "message": "volume 3x", "source_scanner": "load", "metadata": {},
    })
}
