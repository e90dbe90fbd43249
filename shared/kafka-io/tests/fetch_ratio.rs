//! Compression of what a stage fetches, on a mocked broker: its ratio as a metric, and a warning while it needs more memory than the
//! memory sum counts. Recorder and log are global, so this binary has one test.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Mock, PARTITIONS, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use pipeline::Stop;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};

/// Bytes of a value: the memory of the records is that of their values.
const VALUE_BYTES: usize = 100_000;

/// Records that are written at once.
const RECORDS: usize = 48;

/// Keeps the ratio of the consumer of work, as bits.
#[derive(Clone, Default)]
struct Ratio(Arc<AtomicU64>);

impl Ratio {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Recorder for Ratio {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let is_ratio = key.name() == "tapeline_stage_fetch_compression_ratio";
        match is_ratio && key.labels().any(|label| (label.key(), label.value()) == ("consumer", "work")) {
            true => Gauge::from_arc(Arc::clone(&self.0)),
            false => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Collects the lines about the memory sum, with their levels.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Lines {
    fn levels(&self) -> Vec<Level> {
        self.0.lock().unwrap().iter().map(|(level, _)| *level).collect()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.0.contains("memory sum") {
            self.0.lock().unwrap().push((*event.metadata().level(), line.0));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

/// Writes records with this many bytes that cannot be compressed, and waits until the stage has processed them.
fn process(mock: &Mock, running: &Running, random_bytes: usize, seed: &mut u64) {
    let mut random = || {
        // xorshift64. The characters have six bits of eight.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        char::from(b' ' + u8::try_from((*seed >> 32) % 64).unwrap())
    };
    let values: Vec<String> = (0..RECORDS)
        .map(|_| {
            let text: String = (0..random_bytes).map(|_| random()).collect();
            format!("drop {text}{}", "0".repeat(VALUE_BYTES - random_bytes))
        })
        .collect();
    let records: Vec<(i32, &str)> = (0..PARTITIONS).cycle().zip(values.iter().map(String::as_str)).collect();
    let all = running.counts.latest().counts.received + u64::try_from(RECORDS).unwrap();
    mock.write(Topic::AlertRaised, &records);
    eventually("the records are processed", || running.counts.latest().counts.received == all);
}

#[test]
fn batches_above_the_counted_ratio_are_reported_until_they_end() {
    let (ratio, lines, mut seed) = (Ratio::default(), Lines::default(), 88_172_645_463_325_252);
    metrics::set_global_recorder(ratio.clone()).unwrap();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let mock = Mock::start();
    let running = Running::start_with(&mock.config, "tapeline.test", &[], Hooks::default()).ready();
    assert!(ratio.get().is_nan(), "unknown before a fetch");
    let mut process_until = |what, random_bytes, is_reached: &dyn Fn() -> bool| {
        eventually(what, || {
            process(&mock, &running, random_bytes, &mut seed);
            is_reached()
        });
    };

    process_until("the ratio is exported", 50_000, &|| !ratio.get().is_nan());
    assert!((1.5..3.0).contains(&ratio.get()), "{}", ratio.get());
    assert!(lines.levels().is_empty());

    process_until("the warning", 2_000, &|| !lines.levels().is_empty());
    assert!(ratio.get() > 7.0, "{}", ratio.get());
    process_until("a higher ratio", 2_000, &|| ratio.get() > 15.0);
    assert_eq!(lines.levels(), [Level::WARN]);
    let (_, line) = lines.0.lock().unwrap()[0].clone();
    for part in ["consumer=\"work\"", "counted_kib=1024", "fetch_message_max_bytes=131072"] {
        assert!(line.contains(part), "{line}");
    }

    process_until("the end of the condition", 50_000, &|| lines.levels().len() > 1);
    assert_eq!(lines.levels(), [Level::WARN, Level::INFO]);
    assert!(ratio.get() < 8.0, "{}", ratio.get());
    assert_eq!(running.stop(), Stop::Drained);
    assert!(ratio.get().is_nan(), "unknown after the stage");
}
