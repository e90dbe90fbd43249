//! Findings that come on and on while something happens to the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use integration::{request, wait_until};
use serde_json::{Value, json};

use crate::cluster::EDGE_PORT;

/// Findings of a request, and requests a second: some 200 findings a second where the edge keeps up.
const BATCH: usize = 20;
const PACE: Duration = Duration::from_millis(100);

/// A batch that isn't taken for so long never will be.
const PATIENCE: Duration = Duration::from_secs(120);

const LETTERS: usize = 26;

/// Alerts, each of a symbol that no other has in this process, posted until it is ended.
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
                // A pace, not a wait for something.
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { ending, accepted, thread }
    }

    /// Waits until so many more have been accepted.
    pub(crate) fn wait_for_more(&self, more: usize) {
        let wanted = self.accepted.load(Ordering::Relaxed) + more;
        let came = wait_until(PATIENCE, || {
            self.accepted.load(Ordering::Relaxed) >= wanted || self.thread.is_finished()
        });
        assert!(came && !self.thread.is_finished(), "the load stands at {:?}", self.accepted);
    }

    /// Ends it, and gives how many alerts were accepted.
    pub(crate) fn end(self) -> usize {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Posts until each is accepted: what the edge couldn't take, or doesn't know the end of, is sent again.
pub(crate) fn post(mut findings: Vec<Value>) {
    let mut said = String::new();
    let taken = wait_until(PATIENCE, || {
        match request(EDGE_PORT, "POST", "/v1/findings", &Value::from(findings.clone()).to_string()) {
            Ok(reply) => {
                said = reply.body;
                let answer: Value = serde_json::from_str(&said).unwrap_or_default();
                if let Some(results) = answer["results"].as_array() {
                    let outcomes = results.iter().map(|result| result["outcome"] == "accepted");
                    findings =
                        findings.drain(..).zip(outcomes).filter(|(_, is)| !is).map(|(it, _)| it).collect();
                }
            }
            Err(cause) => said = cause.to_string(),
        }
        findings.is_empty()
    });
    assert!(taken, "{} findings are not taken: {said}", findings.len());
}

fn alert() -> Value {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let letter = |place: u32| char::from(b'A' + u8::try_from(number / LETTERS.pow(place) % LETTERS).unwrap());
    let symbol: String = (0..5).rev().map(letter).collect();
    json!({
        "event": "scanner.alert.raised", "symbol": symbol, "alert_type": "volume_spike", "score": 0.9,
        "message": "volume 3x", "source_scanner": "load", "metadata": {},
    })
}
