//! The log of an outage of a stage with tables and of a producer, on a mocked broker. The log is global, so this binary has one test.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use pipeline::Stop;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Collects the messages of warnings and errors, and of recoveries.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        if *event.metadata().level() <= Level::WARN || message.0.contains("reachable") {
            self.0.lock().unwrap().push(message.0);
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
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[test]
fn outage_of_all_clients_is_one_line_and_its_end_another() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let mock = Mock::start();
    let is_down = Arc::new(AtomicBool::new(false));
    let reported = Arc::clone(&is_down);
    let unreachable = move |cause: Option<&str>| reported.store(cause.is_some(), Ordering::SeqCst);
    let hooks = Hooks { unreachable: Box::new(unreachable), ..Hooks::default() };
    let running = Running::start_with(&mock.config, "tapeline.test", &[Topic::BarClosed], hooks).ready();
    mock.write(Topic::AlertRaised, &[(0, "emit 1")]);
    eventually("the record is processed", || running.counts.latest().counts.emitted == 1);
    let before = lines.0.lock().unwrap().len();

    mock.cluster().broker_down(1).unwrap();
    eventually("the outage is reported", || is_down.load(Ordering::SeqCst));
    // Without the limits the clients log some 20 lines a second.
    running.iterate(50);
    mock.cluster().broker_up(1).unwrap();
    eventually("the recovery is reported", || !is_down.load(Ordering::SeqCst));

    mock.write(Topic::AlertRaised, &[(0, "emit 2")]);
    eventually("the stage continues", || running.counts.latest().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::Drained);
    let expected = ["Kafka unreachable: no broker has a connection", "brokers reachable again"];
    assert_eq!(lines.0.lock().unwrap()[before..], expected);
}
