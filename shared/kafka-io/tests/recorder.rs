//! Number of recorder calls per iteration of the loop, on a mocked broker. The recorder is global, so this binary has one test.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::stage::HELD_MAX;
use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use kafka_io::metric_names::METRICS;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use pipeline::{Law, Stop};

const FETCHED: &str = "tapeline_stage_fetched_batch_records";

/// Counts the calls of the recorder and of its handles.
#[derive(Clone, Default)]
struct CountingRecorder(Arc<Calls>);

#[derive(Default)]
struct Calls {
    count: AtomicU64,
    handles: Mutex<BTreeSet<String>>,
    /// The latest values of the gauges of bounds, by name and bound.
    bounds: Mutex<BTreeMap<(String, String), f64>>,
    largest_fetch: AtomicU64,
}

struct Handle {
    calls: Arc<Calls>,
    is_fetched: bool,
    bound: Option<(String, String)>,
}

impl CountingRecorder {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.handles.lock().unwrap().insert(key.to_string());
        let bound = key.labels().find(|label| label.key() == "bound");
        let bound = bound.map(|label| (key.name().to_owned(), label.value().to_owned()));
        Arc::new(Handle { calls: Arc::clone(&self.0), is_fetched: key.name() == FETCHED, bound })
    }

    fn calls(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }
}

impl Recorder for CountingRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

impl Handle {
    fn called(&self) {
        self.calls.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl CounterFn for Handle {
    fn increment(&self, _: u64) {
        self.called();
    }

    fn absolute(&self, _: u64) {
        self.called();
    }
}

impl GaugeFn for Handle {
    fn increment(&self, _: f64) {
        self.called();
    }

    fn decrement(&self, _: f64) {
        self.called();
    }

    fn set(&self, value: f64) {
        self.called();
        if let Some(bound) = &self.bound {
            self.calls.bounds.lock().unwrap().insert(bound.clone(), value);
        }
    }
}

impl HistogramFn for Handle {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of records")]
    fn record(&self, value: f64) {
        self.called();
        if self.is_fetched {
            self.calls.largest_fetch.fetch_max(value as u64, Ordering::Relaxed);
        }
    }
}

/// Returns hooks and the largest number of calls in one iteration so far. The heartbeat begins each iteration.
fn counting_hooks(recorder: &CountingRecorder) -> (Hooks, Arc<AtomicU64>) {
    let largest = Arc::new(AtomicU64::new(0));
    let (counted, recorder, mut before) = (Arc::clone(&largest), recorder.clone(), None);
    let heartbeat = move || {
        let now = recorder.calls();
        if let Some(before) = before.replace(now) {
            counted.fetch_max(now - before, Ordering::Relaxed);
        }
    };
    (Hooks { heartbeat: Box::new(heartbeat), ..Hooks::default() }, largest)
}

/// Alerts on a counter that is not exported yet would never fire.
fn assert_metrics_are_registered_at_start(handles: &BTreeSet<String>) {
    let is_registered =
        |parts: &[&str]| handles.iter().any(|handle| parts.iter().all(|part| handle.contains(part)));
    let of_stages = METRICS.iter().filter(|metric| metric.name.starts_with("tapeline_stage_"));
    for metric in of_stages.filter(|metric| !metric.labels.iter().any(|(label, _)| *label == "reason")) {
        assert!(is_registered(&[metric.name]), "{} is not registered at start", metric.name);
    }
    for law in Law::ALL {
        let named = ["tapeline_stage_law_violations_total", law.id()];
        assert!(is_registered(&named), "{} has no counter: {handles:?}", law.id());
    }
}

#[test]
fn recorder_calls_do_not_depend_on_the_number_of_records() {
    let recorder = CountingRecorder::default();
    metrics::set_global_recorder(recorder.clone()).unwrap();
    let mock = Mock::start();
    let (hooks, largest_iteration) = counting_hooks(&recorder);
    let running = Running::start_with(&mock.config, "tapeline.test", &[], hooks).ready();
    assert_metrics_are_registered_at_start(&recorder.0.handles.lock().unwrap());
    let mut expected = 0;
    let mut process = |count: usize| {
        let commands = ["emit", "drop", "bad"];
        // 11 partitions, so that each receives every command.
        let records = (0..11).cycle().zip(commands.into_iter().cycle()).take(count);
        mock.write(Topic::AlertRaised, &records.collect::<Vec<(i32, &str)>>());
        expected += count as u64;
        eventually("all is resolved", || {
            let counts = running.counts.latest().counts;
            counts.received == expected && counts.held == 0
        });
    };
    for _ in 0..5 {
        process(36);
    }
    let (few, handles) =
        (largest_iteration.load(Ordering::Relaxed), recorder.0.handles.lock().unwrap().len() as u64);
    let largest_before = recorder.0.largest_fetch.load(Ordering::Relaxed);
    for _ in 0..5 {
        process(3_600);
    }
    let (many, largest) =
        (largest_iteration.load(Ordering::Relaxed), recorder.0.largest_fetch.load(Ordering::Relaxed));
    assert!(largest_before <= 36 && largest >= 360, "fetches of {largest_before}, then of {largest}");
    // At most one call per handle and iteration, and one that registers the handle of a new reason.
    assert!(few <= handles + 1 && many <= handles + 1, "{few}, then {many}, calls of {handles} handles");
    // A full stage.
    mock.write(Topic::AlertRaised, &vec![(0, "hold"); HELD_MAX]);
    let exported = |metric: &str, bound: &str| {
        let bounds = recorder.0.bounds.lock().unwrap();
        bounds.get(&(format!("tapeline_stage_bound_{metric}"), bound.to_owned())).copied()
    };
    let all = Some(600.0);
    eventually("all are held", || {
        exported("used", "scripted") == all && exported("used", "held_records") == all
    });
    assert_eq!((exported("limit", "scripted"), exported("limit", "held_records")), (all, Some(50_000.0)));
    running.work.iter().take(HELD_MAX).for_each(|done| running.completions.send(done).unwrap());
    assert_eq!(running.stop(), Stop::Drained);
}
