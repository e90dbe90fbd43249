//! What a driver's metrics cost, on a mocked broker. The recorder is the process's: this binary holds one test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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

/// Counts every call, of a handle or for one.
#[derive(Clone, Default)]
struct Counting(Arc<Seen>);

#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    handles: Mutex<BTreeSet<String>>,
    largest_fetch: AtomicU64,
}

struct Handle {
    seen: Arc<Seen>,
    is_fetched: bool,
}

impl Counting {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.0.handles.lock().unwrap().insert(key.to_string());
        Arc::new(Handle { seen: Arc::clone(&self.0), is_fetched: key.name() == FETCHED })
    }

    fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }
}

impl Recorder for Counting {
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
        self.seen.calls.fetch_add(1, Ordering::Relaxed);
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

    fn set(&self, _: f64) {
        self.called();
    }
}

impl HistogramFn for Handle {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of records")]
    fn record(&self, value: f64) {
        self.called();
        if self.is_fetched {
            self.seen.largest_fetch.fetch_max(value as u64, Ordering::Relaxed);
        }
    }
}

/// The most calls within one turn of the driver so far; the heartbeat begins each turn.
fn watched(recorder: &Counting) -> (Hooks, Arc<AtomicU64>) {
    let most = Arc::new(AtomicU64::new(0));
    let (told, recorder, mut before) = (Arc::clone(&most), recorder.clone(), None);
    let heartbeat = move || {
        let now = recorder.calls();
        if let Some(before) = before.replace(now) {
            told.fetch_max(now - before, Ordering::Relaxed);
        }
    };
    (Hooks { heartbeat: Box::new(heartbeat), ..Hooks::default() }, most)
}

/// A counter that is not there says nothing: alerts on it would wait for ever.
fn assert_what_never_happened_shows_as_zero(handles: &BTreeSet<String>) {
    let is_there =
        |parts: &[&str]| handles.iter().any(|handle| parts.iter().all(|part| handle.contains(part)));
    let by_name = ["reason", "note"];
    let of_stages = METRICS.iter().filter(|metric| metric.name.starts_with("tapeline_stage_"));
    for metric in of_stages.filter(|metric| !metric.labels.iter().any(|label| by_name.contains(label))) {
        assert!(is_there(&[metric.name]), "{} is not there from the start", metric.name);
    }
    for law in Law::ALL {
        let named = ["tapeline_stage_law_violations_total", law.id()];
        assert!(is_there(&named), "{} has no counter: {handles:?}", law.id());
    }
}

#[test]
fn a_turn_of_the_driver_costs_the_same_recorder_calls_whatever_its_records() {
    let recorder = Counting::default();
    metrics::set_global_recorder(recorder.clone()).unwrap();
    let mock = Mock::start();
    let (hooks, most) = watched(&recorder);
    let running = Running::start_with(&mock.config, "tapeline.desk", &[], hooks).ready();
    assert_what_never_happened_shows_as_zero(&recorder.0.handles.lock().unwrap());
    let mut expected = 0;
    let mut flow = |records: usize| {
        let orders = ["emit", "drop", "bad"];
        // 11 partitions, so that each gets every order in turn.
        let lines: Vec<(i32, &str)> = (0..11).cycle().zip(orders.into_iter().cycle()).take(records).collect();
        mock.write(Topic::AlertRaised, &lines);
        expected += records as u64;
        eventually("all is resolved", || {
            let seen = running.counts.seen();
            seen.counts.received == expected && seen.counts.held == 0
        });
    };
    for _ in 0..5 {
        flow(36);
    }
    let (few, handles) = (most.load(Ordering::Relaxed), recorder.0.handles.lock().unwrap().len() as u64);
    let largest_before = recorder.0.largest_fetch.load(Ordering::Relaxed);
    for _ in 0..5 {
        flow(3_600);
    }
    let (many, largest) = (most.load(Ordering::Relaxed), recorder.0.largest_fetch.load(Ordering::Relaxed));
    assert!(largest_before <= 36 && largest >= 360, "fetches of {largest_before}, then of {largest}");
    // Each handle at most once a turn, and one made for a reason seen first.
    assert!(few <= handles + 1 && many <= handles + 1, "{few}, then {many}, calls of {handles} handles");
    assert_eq!(running.stop(), Stop::Drained);
}
