//! Metric handles, to be registered once and kept.
//!
//! A registration looks up name and labels (77 to 180 ns). A kept handle is an atomic addition (10 ns), a [`LocalCounter`] a plain
//! addition: use it for counts per record.

use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

use crate::telemetry::catalogue::Metric;

/// Registers the metrics of one service and adds the label `service`.
#[derive(Clone)]
pub struct Scope {
    recorder: Arc<dyn Recorder + Send + Sync>,
    service: Option<&'static str>,
}

/// A counter without synchronisation. [`LocalCounter::flush`] adds its count to the metric, once per batch.
#[derive(Debug)]
#[must_use]
pub struct LocalCounter {
    counter: Counter,
    pending: u64,
}

const METADATA: Metadata<'static> = Metadata::new("tapeline", Level::INFO, None);

// === impl Scope ===

impl Scope {
    /// Creates the scope of one service. `None` is the process itself.
    pub fn new(recorder: Arc<dyn Recorder + Send + Sync>, service: Option<&'static str>) -> Self {
        Self { recorder, service }
    }

    /// Creates a scope whose handles do nothing, for tests of other things.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::new(Arc::new(metrics::NoopRecorder), None)
    }

    /// Registers a counter.
    pub fn counter(&self, metric: &Metric, labels: &[(&str, &str)]) -> Counter {
        self.recorder.register_counter(&self.key(metric, labels), &METADATA)
    }

    /// Registers a counter for counts per record.
    pub fn local_counter(&self, metric: &Metric, labels: &[(&str, &str)]) -> LocalCounter {
        LocalCounter { counter: self.counter(metric, labels), pending: 0 }
    }

    /// Registers a gauge.
    pub fn gauge(&self, metric: &Metric, labels: &[(&str, &str)]) -> Gauge {
        self.recorder.register_gauge(&self.key(metric, labels), &METADATA)
    }

    /// Registers a histogram.
    pub fn histogram(&self, metric: &Metric, labels: &[(&str, &str)]) -> Histogram {
        self.recorder.register_histogram(&self.key(metric, labels), &METADATA)
    }

    /// Returns the recorder, for crates that use only the `metrics` crate.
    #[must_use]
    pub fn recorder(&self) -> &Arc<dyn Recorder + Send + Sync> {
        &self.recorder
    }

    fn key(&self, metric: &Metric, labels: &[(&str, &str)]) -> Key {
        debug_assert_eq!(metric.label_violation(labels), None);
        let own = labels.iter().map(|(label, value)| Label::new((*label).to_owned(), (*value).to_owned()));
        let service = self.service.map(|service| Label::from_static_parts("service", service));
        Key::from_parts(metric.name, service.into_iter().chain(own).collect::<Vec<_>>())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("service", &self.service).finish_non_exhaustive()
    }
}

// === impl LocalCounter ===

impl LocalCounter {
    /// Adds `records` to the pending count.
    #[inline]
    pub fn add(&mut self, records: u64) {
        self.pending += records;
    }

    /// Adds the pending count to the metric: one call, or none if nothing is pending.
    pub fn flush(&mut self) {
        if self.pending > 0 {
            self.counter.increment(std::mem::take(&mut self.pending));
        }
    }
}

impl Drop for LocalCounter {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::counting::CountingRecorder;

    const RECORDS: Metric = Metric::counter("test_handled_records_total", "records", "Records by outcome.")
        .labelled(&[("outcome", &["received", "emitted", "duplicate"])]);

    /// Returns the number of recorder calls for `records` records and one flush.
    fn calls_for_a_batch(records: u64) -> u64 {
        let recorder = Arc::new(CountingRecorder::default());
        let scope = Scope::new(recorder.clone(), Some("test"));
        let mut received = scope.local_counter(&RECORDS, &[("outcome", "received")]);
        let mut emitted = scope.local_counter(&RECORDS, &[("outcome", "emitted")]);
        let mut duplicate = scope.local_counter(&RECORDS, &[("outcome", "duplicate")]);
        let registered = recorder.calls();
        for record in 0..records {
            received.add(1);
            if record % 3 == 0 { duplicate.add(1) } else { emitted.add(1) }
        }
        for counter in [&mut received, &mut emitted, &mut duplicate] {
            counter.flush();
        }
        assert_eq!(
            recorder.counted(),
            records * 2,
            "every record is counted twice: received, and its outcome"
        );
        recorder.calls() - registered
    }

    #[test]
    fn recorder_calls_do_not_depend_on_the_batch_size() {
        assert_eq!(calls_for_a_batch(10), 3);
        assert_eq!(calls_for_a_batch(10_000), 3);
    }

    #[test]
    fn flush_without_pending_counts_makes_no_call() {
        assert_eq!(calls_for_a_batch(0), 0);
    }

    #[test]
    fn dropped_local_counter_flushes_its_pending_count() {
        let recorder = Arc::new(CountingRecorder::default());
        let scope = Scope::new(recorder.clone(), None);
        let mut received = scope.local_counter(&RECORDS, &[("outcome", "received")]);
        received.add(4);
        drop(received);
        assert_eq!(recorder.counted(), 4);
    }
}
