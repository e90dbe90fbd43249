//! A driver on a mocked broker: verdicts, tables, shutdown, errors at start.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::{Arc, Mutex};

use common::{Mock, Running, eventually, text};
use contracts::Topic;
use kafka_io::{Delivery, Driver, DriverError, DriverOptions, Hooks, KafkaConfig, completions};
use pipeline::Stop;

const GROUP: &str = "tapeline.test";

#[test]
fn every_verdict_resolves_its_record() {
    let mock = Mock::start();
    mock.write(
        Topic::AlertRaised,
        &[(3, "emit a"), (3, "drop"), (3, "bad"), (3, "emit b"), (4, "drop"), (5, "emit c")],
    );
    let running = Running::start(&mock.config, GROUP, &[]);
    eventually("all is resolved", || {
        mock.committed(GROUP, Topic::AlertRaised)[3..6] == [Some(4), Some(1), Some(1)]
    });
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit a", "emit b", "emit c"]);
    let dead_letters = mock.read(Topic::FeatureDeadLetter);
    assert_eq!(dead_letters.len(), 1);
    assert_eq!((dead_letters[0].partition, text(&dead_letters[0]).as_str()), (3, "bad"));
    let header = |name: &str| {
        dead_letters[0].headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    };
    assert_eq!(header("tapeline.offset"), Some(&b"2"[..]));
    assert_eq!(header("tapeline.epoch"), Some(&b"1"[..]));
    let counts = running.counts.clone();
    assert_eq!(running.stop(), Stop::Drained);
    let status = counts.latest();
    assert_eq!((status.counts.received, status.counts.emitted, status.counts.rejected), (6, 3, 1));
    assert_eq!((status.counts.dropped.total(), status.counts.held, status.violations), (2, 0, 0));
}

#[test]
fn originated_output_needs_no_record() {
    let mock = Mock::start();
    let to_originate = Arc::new(Mutex::new(vec![(7, "originated 7".to_owned())]));
    let shared = Arc::clone(&to_originate);
    let running =
        Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| stage.to_originate = shared);
    eventually("it is acknowledged", || running.counts.latest().counts.originated.acknowledged == 1);
    let outputs = mock.read(Topic::VectorComputed);
    assert_eq!((outputs.len(), outputs[0].partition, text(&outputs[0]).as_str()), (1, 7, "originated 7"));
    let status = running.counts.latest();
    let bound = status.bounds.iter().find(|bound| bound.name == "originated_outputs").unwrap();
    assert_eq!((status.counts.received, bound.used, bound.limit), (0, 0, 100));
    let counts = running.counts.clone();
    assert_eq!(running.stop(), Stop::Drained);
    let originated = counts.latest().counts.originated;
    assert_eq!((originated.total, originated.acknowledged, originated.discarded), (1, 1, 0));
}

#[test]
fn commit_waits_for_the_first_held_record() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (0, "hold 2"), (0, "hold 3")]);
    let work: Vec<_> = (0..3).map(|_| running.work.recv_timeout(common::TIMEOUT).unwrap()).collect();
    for done in work[1..].iter().rev() {
        running.completions.send(done.clone()).unwrap();
    }
    eventually("both are emitted", || running.counts.latest().counts.emitted == 2);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 3", "hold 2"]);
    assert!(mock.committed(GROUP, Topic::AlertRaised)[0].unwrap_or(0) <= 0);
    running.completions.send(work[0].clone()).unwrap();
    eventually("the prefix is committed", || mock.committed(GROUP, Topic::AlertRaised)[0] == Some(3));
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn only_uncommitted_records_are_redelivered() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(0, "emit 1"), (0, "hold 2"), (1, "emit 3")]);
    let config = KafkaConfig { drain_budget_ms: 200.into(), ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]);
    eventually("two are emitted", || running.counts.latest().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::DrainTimedOut { held: 1 });
    let running = Running::start(&config, GROUP, &[]);
    let (id, held) = running.work.recv_timeout(common::TIMEOUT).unwrap();
    assert_eq!((id.offset, held.as_str()), (1, "hold 2"));
    running.completions.send((id, held)).unwrap();
    eventually("it is emitted", || running.counts.latest().counts.emitted == 1);
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 1", "hold 2", "emit 3"]);
}

#[test]
fn shutdown_drains_held_records() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1")]);
    let done = running.work.recv_timeout(common::TIMEOUT).unwrap();
    running.shutdown.request();
    eventually("the stage is not ready", || !running.counts.latest().ready);
    running.completions.send(done).unwrap();
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 1"]);
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[0], Some(1));
}

#[test]
fn work_follows_table_records_acknowledged_before_it() {
    let mock = Mock::start();
    for round in 0..20_i32 {
        mock.write(Topic::BarClosed, &vec![(round % 3, "bar"); 50]);
    }
    let running = Running::start(&mock.config, GROUP, &[Topic::BarClosed]);
    let mut expected = Vec::new();
    for round in 0..30 {
        mock.write(Topic::BarClosed, &[(0, "bar"); 7]);
        mock.write(Topic::AlertRaised, &[(0, &format!("need {round:02}"))]);
        expected.push((format!("need {round:02}"), 350 + 7 * (round + 1)));
    }
    eventually("all is emitted", || running.counts.latest().counts.emitted == 30);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts.len(), expected.len());
    for (text, (need, acknowledged)) in texts.iter().zip(expected) {
        let (command, records) = text.split_once(": ").unwrap();
        assert_eq!(command, need);
        assert!(
            records.parse::<i32>().unwrap() >= acknowledged,
            "{text}: {acknowledged} records were acknowledged before"
        );
    }
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn loaded_table_is_reported_once_without_work() {
    let mock = Mock::start();
    mock.write(Topic::BarClosed, &[(2, "bar"), (2, "bar"), (2, "bar"), (5, "bar")]);
    let loaded = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&loaded);
    let running = Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| {
        stage.tables = vec![Topic::BarClosed];
        stage.loaded = shared;
    });
    let running = running.ready();
    mock.write(Topic::BarClosed, &[(2, "bar")]);
    eventually("the later record is read", || running.counts.latest().table_records == 5);
    let mut loaded = loaded.lock().unwrap().clone();
    loaded.sort_unstable();
    let with_records: Vec<(i32, usize)> =
        loaded.iter().copied().filter(|(_, records)| *records > 0).collect();
    assert_eq!((loaded.len(), with_records), (12, vec![(2, 3), (5, 1)]));
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn skipped_table_records_degrade_a_ready_stage() {
    let mock = Mock::start();
    mock.write(Topic::BarClosed, &[(2, "bar"), (2, "bad"), (5, "bad"), (5, "bad"), (5, "bar")]);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&calls);
    let degraded = Box::new(move |cause: Option<&str>| {
        recorded.lock().unwrap().push(cause.map(ToOwned::to_owned));
    });
    let hooks = Hooks { degraded, ..Hooks::default() };
    let running = Running::start_with(&mock.config, GROUP, &[Topic::BarClosed], hooks).ready();
    let cause = "3 invalid records of market.bar.closed.v1 skipped in 2 partitions";
    eventually("the stage is degraded", || running.counts.latest().degraded_by.as_deref() == Some(cause));
    let status = running.counts.latest();
    assert!(status.ready, "{}", status.unready_cause);
    assert_eq!((status.degraded, status.table_records), (2, 5));
    eventually("the hook is called", || calls.lock().unwrap().last() == Some(&Some(cause.to_owned())));
    mock.write(Topic::AlertRaised, &[(5, "need 5"), (7, "need 7")]);
    eventually("work continues", || mock.texts(Topic::VectorComputed) == ["need 5: 1", "need 7: 0"]);
    assert_eq!(running.stop(), Stop::Drained);
    // A stage that follows another table is not degraded.
    let running = Running::start(&mock.config, GROUP, &[Topic::GapDetected]).ready();
    assert_eq!(running.counts.latest().degraded_by, None);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn failed_rule_stops_the_driver_with_its_cause() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(0, "fail")]);
    let running = Running::start(&mock.config, GROUP, &[]);
    assert_eq!(running.thread.join().unwrap().unwrap(), Stop::Failed("requested".to_owned()));
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[0], None);
}

#[test]
fn missing_offset_stops_the_driver() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(2, "drop"), (2, "drop")]);
    // As if the topic was recreated.
    mock.commit(GROUP, Topic::AlertRaised, 2, 500);
    let running = Running::start(&mock.config, GROUP, &[]);
    let error = running.thread.join().unwrap().unwrap_err();
    assert!(matches!(error, DriverError::MissingOffset { partition: 2, offset: 500, .. }), "{error}");
}

#[test]
fn unreachable_broker_is_named_at_start() {
    let config = KafkaConfig { query_timeout_ms: 300.into(), ..KafkaConfig::embedded("127.0.0.1:1") };
    let running = Running::start(&config, GROUP, &[]);
    let error = running.thread.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("300 ms"), "{error}");
}

#[test]
fn transactions_on_the_embedded_broker_are_invalid() {
    let kafka = KafkaConfig { delivery: Delivery::Transactional, ..KafkaConfig::embedded("127.0.0.1:1") };
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "test",
        stage: "test",
        group: GROUP.to_owned(),
        inputs: vec![Topic::AlertRaised],
        outputs: Vec::new(),
        kafka,
        hooks: Hooks::default(),
    };
    let error = Driver::new(common::stage::stage(), completed, options).err().unwrap();
    assert!(matches!(&error, DriverError::Config(errors) if errors.len() == 1), "{error}");
}
