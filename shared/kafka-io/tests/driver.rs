//! One driver on a mocked broker: every verdict, tables, shutdown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::{Mock, Running, eventually, text};
use contracts::Topic;
use kafka_io::{Delivery, Driver, DriverError, DriverOptions, Hooks, KafkaConfig, completions};
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";

#[test]
fn every_verdict_ends_where_it_should_and_offsets_reach_the_end() {
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
    let letters = mock.read(Topic::FeatureDeadLetter);
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].partition, text(&letters[0]).as_str()), (3, "bad"));
    let header = |name: &str| {
        letters[0].headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    };
    assert_eq!(header("tapeline.offset"), Some(&b"2"[..]));
    assert_eq!(header("tapeline.epoch"), Some(&b"1"[..]));
    let seen = running.counts.clone();
    assert_eq!(running.stop(), Stop::Drained);
    let seen = seen.seen();
    assert_eq!((seen.counts.received, seen.counts.emitted, seen.counts.rejected), (6, 3, 1));
    assert_eq!((seen.counts.dropped.total(), seen.counts.held, seen.violations), (2, 0, 0));
}

#[test]
fn held_records_finish_out_of_order_and_the_commit_waits_for_the_first() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (0, "hold 2"), (0, "hold 3")]);
    let work: Vec<_> = (0..3).map(|_| running.work.recv_timeout(common::PATIENCE).unwrap()).collect();
    for done in work[1..].iter().rev() {
        running.completions.send(done.clone()).unwrap();
    }
    eventually("both are emitted", || running.counts.seen().counts.emitted == 2);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 3", "hold 2"]);
    assert!(mock.committed(GROUP, Topic::AlertRaised)[0].unwrap_or(0) <= 0);
    running.completions.send(work[0].clone()).unwrap();
    eventually("the prefix is committed", || mock.committed(GROUP, Topic::AlertRaised)[0] == Some(3));
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn what_was_committed_is_not_delivered_again_and_what_was_not_is() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(0, "emit 1"), (0, "hold 2"), (1, "emit 3")]);
    let config = KafkaConfig { drain_budget_ms: 200.into(), ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]);
    eventually("two are emitted", || running.counts.seen().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::DrainTimedOut { held: 1 });
    let running = Running::start(&config, GROUP, &[]);
    let (id, held) = running.work.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!((id.offset, held.as_str()), (1, "hold 2"));
    running.completions.send((id, held)).unwrap();
    eventually("it is emitted", || running.counts.seen().counts.emitted == 1);
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 1", "hold 2", "emit 3"]);
}

#[test]
fn a_shutdown_drains_what_workers_still_hold() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1")]);
    let done = running.work.recv_timeout(common::PATIENCE).unwrap();
    running.shutdown.request();
    eventually("it is no longer ready", || !running.counts.seen().ready);
    running.completions.send(done).unwrap();
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 1"]);
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[0], Some(1));
}

#[test]
fn work_sees_every_table_record_acknowledged_before_it() {
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
    eventually("all is emitted", || running.counts.seen().counts.emitted == 30);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts.len(), expected.len());
    for (text, (need, acknowledged)) in texts.iter().zip(expected) {
        let (order, seen) = text.split_once(": ").unwrap();
        assert_eq!(order, need);
        assert!(
            seen.parse::<i32>().unwrap() >= acknowledged,
            "{text}: {acknowledged} were acknowledged before it"
        );
    }
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn a_table_without_some_of_its_records_leaves_its_stage_ready_and_degraded() {
    let mock = Mock::start();
    mock.write(Topic::BarClosed, &[(2, "bar"), (2, "bad"), (5, "bad"), (5, "bad"), (5, "bar")]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let degraded = Box::new(move |lacks: Option<&str>| {
        heard.lock().unwrap().push(lacks.map(ToOwned::to_owned));
    });
    let hooks = Hooks { degraded, ..Hooks::default() };
    let running = Running::start_with(&mock.config, GROUP, &[Topic::BarClosed], hooks).ready();
    let lacks = "3 records of market.bar.closed.v1 can't be read and are left out, in 2 partitions";
    eventually("it is degraded", || running.counts.seen().degraded_by.as_deref() == Some(lacks));
    let seen = running.counts.seen();
    assert!(seen.ready, "{}", seen.waits_for);
    assert_eq!((seen.degraded, seen.table_records), (2, 5));
    eventually("it is told", || told.lock().unwrap().last() == Some(&Some(lacks.to_owned())));
    mock.write(Topic::AlertRaised, &[(5, "need 5"), (7, "need 7")]);
    eventually("work goes on", || mock.texts(Topic::VectorComputed) == ["need 5: 1", "need 7: 0"]);
    assert_eq!(running.stop(), Stop::Drained);
    // Without such records in what it follows, it is whole.
    let running = Running::start(&mock.config, GROUP, &[Topic::GapDetected]).ready();
    assert_eq!(running.counts.seen().degraded_by, None);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn a_rule_that_cannot_go_on_stops_the_driver_with_its_words() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(0, "fail")]);
    let running = Running::start(&mock.config, GROUP, &[]);
    assert_eq!(running.thread.join().unwrap().unwrap(), Stop::Failed("asked to".to_owned()));
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[0], None);
}

#[test]
fn an_offset_that_the_partition_lacks_stops_the_driver_and_names_it() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(2, "drop"), (2, "drop")]);
    // What a topic that was made anew under a group looks like.
    mock.commit(GROUP, Topic::AlertRaised, 2, 500);
    let running = Running::start(&mock.config, GROUP, &[]);
    let error = running.thread.join().unwrap().unwrap_err();
    assert!(matches!(error, DriverError::MissingOffset { partition: 2, offset: 500, .. }), "{error}");
}

#[test]
fn an_unreachable_broker_is_named_at_start() {
    let config = KafkaConfig { query_timeout_ms: 300.into(), ..KafkaConfig::embedded("127.0.0.1:1") };
    let begun = Instant::now();
    let running = Running::start(&config, GROUP, &[]);
    let error = running.thread.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("300 ms"), "{error}");
    assert!(begun.elapsed() < common::PATIENCE);
}

#[test]
fn transactions_on_the_embedded_broker_are_refused_before_anything_is_connected() {
    let kafka = KafkaConfig { delivery: Delivery::Transactional, ..KafkaConfig::embedded("127.0.0.1:1") };
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "desk",
        stage: "desk",
        group: GROUP.to_owned(),
        inputs: vec![Topic::AlertRaised],
        outputs: Vec::new(),
        kafka,
        hooks: Hooks::default(),
    };
    let refused = Driver::new(common::desk(), completed, options).err().unwrap();
    assert!(refused.to_string().contains("fakes them"), "{refused}");
}
