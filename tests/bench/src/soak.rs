//! Memory over time: one bridge under a steady load in one process, with a line every five seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scanner_bridge::config::AlertsSection;

use crate::bridge::Counted;
use crate::driver::{DriveArgs, StopSignal, drive};
use crate::error::Error;
use crate::input::Source;
use crate::resource_usage::resident_kib;

/// Interval of lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// Batches per second in which alerts are produced.
const BATCHES_PER_S: u64 = 50;

/// Runs the bridge for `length` while `rate` alerts per second are produced, half of them new.
pub(crate) fn run(brokers: &str, length: Duration, rate: u64) -> Result<(), Error> {
    let (stop, sent, over) = (Arc::new(StopSignal::default()), AtomicU64::new(0), AtomicBool::new(false));
    let windows_max = AlertsSection::default().partition_windows_max;
    let stage = Counted::new(u64::MAX, windows_max, &stop)?;
    thread::scope(|scope| {
        let producing = scope.spawn(|| produce(brokers, rate, &sent, &over));
        scope.spawn(|| {
            report(length, &sent);
            over.store(true, Ordering::Release);
            stop.send();
        });
        let args = DriveArgs { records: u64::MAX, transaction: Some(5_000) };
        let driven = drive(brokers, args, "bridge", stage, &stop, None);
        over.store(true, Ordering::Release);
        producing.join().map_err(|_| "the producing thread panicked")??;
        driven
    })
}

fn produce(brokers: &str, rate: u64, sent: &AtomicU64, over: &AtomicBool) -> Result<(), Error> {
    if rate == 0 {
        return Ok(());
    }
    let mut source = Source::new(brokers)?;
    let begun = Instant::now();
    for batch in 1.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let due = rate * batch / BATCHES_PER_S;
        while sent.load(Ordering::Relaxed) < due {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            source.send(number, number / 2)?;
        }
        let next =
            begun + Duration::from_millis(1_000 / BATCHES_PER_S) * u32::try_from(batch).unwrap_or(u32::MAX);
        thread::park_timeout(next.saturating_duration_since(Instant::now()));
    }
    source.flush()
}

fn report(length: Duration, sent: &AtomicU64) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        thread::park_timeout(INTERVAL.min(length.saturating_sub(begun.elapsed())));
        let line = serde_json::json!({
            "second": begun.elapsed().as_secs(),
            "sent": sent.load(Ordering::Relaxed),
            "resident_kib": resident_kib(),
        });
        println!("{line}");
    }
}
