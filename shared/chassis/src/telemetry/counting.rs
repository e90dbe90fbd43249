//! Metrics recorder for tests that counts its calls. It shows that a batch costs a constant number of calls, independent of its records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Counts the calls of the recorder and the sum of all counters; records nothing else.
#[derive(Debug, Default)]
pub struct CountingRecorder {
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    counted: AtomicU64,
}

// === impl CountingRecorder ===

impl CountingRecorder {
    /// Returns the number of calls: registrations, and calls of any handle.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.tally.calls.load(Ordering::Relaxed)
    }

    /// Returns the sum of all increments of all counters.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.tally.counted.load(Ordering::Relaxed)
    }

    fn handle(&self) -> Arc<Tally> {
        self.tally.call();
        Arc::clone(&self.tally)
    }
}

impl Recorder for CountingRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle())
    }
}

// === impl Tally ===

impl Tally {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl CounterFn for Tally {
    fn increment(&self, value: u64) {
        self.call();
        self.counted.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {
        self.call();
    }
}

impl GaugeFn for Tally {
    fn increment(&self, _: f64) {
        self.call();
    }

    fn decrement(&self, _: f64) {
        self.call();
    }

    fn set(&self, _: f64) {
        self.call();
    }
}

impl HistogramFn for Tally {
    fn record(&self, _: f64) {
        self.call();
    }
}
