//! Memory over time: one bridge under a steady stream in one process, a line each five seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failed;
use crate::bridge::Counted;
use crate::fill::Source;
use crate::stage::{Enough, How, drive};
use crate::usage::resident_kib;

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(5);

/// Alerts are produced this many times a second, each time their share.
const BEATS_PER_S: u64 = 50;

/// Runs the bridge for `length` while `rate` alerts a second are produced, half of them new.
pub(crate) fn run(brokers: &str, length: Duration, rate: u64) -> Result<(), Failed> {
    let (enough, sent, over) = (Arc::new(Enough::default()), AtomicU64::new(0), AtomicBool::new(false));
    let stage = Counted::new(u64::MAX, &enough)?;
    thread::scope(|scope| {
        let producing = scope.spawn(|| produce(brokers, rate, &sent, &over));
        scope.spawn(|| {
            tell(length, &sent);
            over.store(true, Ordering::Release);
            enough.reached();
        });
        let how = How { records: u64::MAX, transaction: Some(5_000) };
        let driven = drive(brokers, how, "bridge", stage, &enough);
        over.store(true, Ordering::Release);
        producing.join().map_err(|_| "the producing thread panicked")??;
        driven
    })
}

fn produce(brokers: &str, rate: u64, sent: &AtomicU64, over: &AtomicBool) -> Result<(), Failed> {
    if rate == 0 {
        return Ok(());
    }
    let source = Source::new(brokers)?;
    let begun = Instant::now();
    for beat in 1.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let due = rate * beat / BEATS_PER_S;
        while sent.load(Ordering::Relaxed) < due {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            source.send(number, number / 2)?;
        }
        let next =
            begun + Duration::from_millis(1_000 / BEATS_PER_S) * u32::try_from(beat).unwrap_or(u32::MAX);
        thread::park_timeout(next.saturating_duration_since(Instant::now()));
    }
    source.flush()
}

fn tell(length: Duration, sent: &AtomicU64) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        thread::park_timeout(EVERY.min(length.saturating_sub(begun.elapsed())));
        let line = serde_json::json!({
            "second": begun.elapsed().as_secs(),
            "sent": sent.load(Ordering::Relaxed),
            "resident_kib": resident_kib(),
        });
        println!("{line}");
    }
}
