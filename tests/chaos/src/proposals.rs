//! Proposals of symbols, posted to the publisher one by one during a run: the load of publisher and backfill. A proposal is posted until
//! the publisher accepts it, so a kill may cause a second record with the same event id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use domain::Timestamp;
use integration::request;
use serde_json::{Value, json};

/// The layer that each symbol qualifies for: a lookback of a year.
const LAYER: i32 = 1;
/// Age of the proposals. All sessions of their lookback are over.
const AGE_MICROS: i64 = 10 * 86_400 * 1_000_000;
/// Delay before a proposal is posted again.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The proposals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposals {
    /// Count of symbols, each proposed once.
    pub count: u64,
    /// Event time of all proposals.
    pub occurred_at: Timestamp,
    /// Distinguishes the event ids of runs.
    pub seed: u64,
}

/// Posts the proposals at a steady pace, on its own thread.
pub struct Poster {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_stopped: AtomicBool,
    accepted: AtomicU64,
    posted: AtomicU64,
}

// === impl Proposals ===

impl Proposals {
    #[must_use]
    pub fn new(count: u64, now_micros: i64, seed: u64) -> Self {
        Self { count, occurred_at: Timestamp::from_micros(now_micros - AGE_MICROS), seed }
    }

    /// Returns the symbols. Those of the alerts are shorter by one character.
    pub fn symbols(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(symbol)
    }

    fn finding(&self, n: u64) -> Value {
        json!({
            "event": "scanner.symbol.proposed",
            "event_id": format!("{:08x}-0000-7000-9000-{n:012x}", self.seed & 0xffff_ffff),
            "occurred_at": self.occurred_at.to_string(),
            "symbol": symbol(n),
            "from_layer": null,
            "to_layer": LAYER,
            "reason": "storm",
            "metrics": {},
        })
    }
}

/// Returns `Z` and four digits in base 26.
fn symbol(n: u64) -> String {
    let digit = |power: u32| char::from(b'A' + u8::try_from(n / 26_u64.pow(power) % 26).unwrap_or(0));
    ["Z".to_owned(), (0..4).rev().map(digit).collect()].concat()
}

// === impl Poster ===

impl Poster {
    /// Starts to post to the edge with this port, one proposal per interval.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(proposals: Proposals, edge: u16, interval: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let post = move || {
            for n in 0..proposals.count {
                let body = proposals.finding(n).to_string();
                while !of_thread.is_stopped.load(Ordering::Acquire) && !of_thread.post(edge, &body) {
                    thread::park_timeout(RETRY_DELAY);
                }
                thread::park_timeout(interval);
            }
        };
        let thread = thread::Builder::new().name("proposals".to_owned()).spawn(post)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns whether the publisher has accepted all proposals.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Returns the number of accepted proposals.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Acquire)
    }
}

impl fmt::Display for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let posted = self.shared.posted.load(Ordering::Acquire);
        write!(f, "{} proposals accepted of {posted} posted", self.accepted())
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread is already on standard error.
            thread.join().ok();
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Posts a finding and returns whether it was accepted.
    fn post(&self, edge: u16, body: &str) -> bool {
        self.posted.fetch_add(1, Ordering::AcqRel);
        let Ok(reply) = request(edge, "POST", "/v1/findings", body) else { return false };
        let results: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let is_accepted = results["results"][0]["outcome"] == "accepted";
        self.accepted.fetch_add(u64::from(is_accepted), Ordering::AcqRel);
        is_accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_differ_from_each_other_and_from_alerts() {
        let proposals = Proposals::new(1_000, 0, 1);
        let symbols: std::collections::BTreeSet<String> = proposals.symbols().collect();
        assert_eq!(symbols.len(), 1_000);
        assert!(symbols.iter().all(|symbol| symbol.len() == 5 && symbol.parse::<domain::Symbol>().is_ok()));
    }
}
