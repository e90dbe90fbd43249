//! While the registry is away: what can't be read waits, and nothing else does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";

fn start(mock: &Mock, away: &Arc<AtomicBool>, tables: &[Topic]) -> Running {
    let (away, tables) = (Arc::clone(away), tables.to_vec());
    Running::start_as(&mock.config, GROUP, Hooks::default(), |desk| {
        (desk.away, desk.tables) = (away, tables);
    })
}

#[test]
fn a_table_partition_waits_behind_a_record_that_nobody_can_read_now_and_the_others_go_on() {
    let mock = Mock::start();
    mock.write(Topic::BarClosed, &[(7, "bar"), (7, "unavailable"), (7, "bar")]);
    let away = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &away, &[Topic::BarClosed]);
    eventually("it is told", || running.counts.seen().waits_for.contains("can't be read now"));
    mock.write(Topic::BarClosed, &[(8, "bar"), (8, "bar")]);
    mock.write(Topic::AlertRaised, &[(8, "need 8")]);
    eventually("the other goes on", || mock.texts(Topic::VectorComputed) == ["need 8: 2"]);
    mock.write(Topic::AlertRaised, &[(7, "need 7")]);
    eventually("it waits", || running.counts.seen().counts.held == 1);
    assert!(!running.counts.seen().ready);
    away.store(false, Ordering::Relaxed);
    eventually("it goes on", || mock.texts(Topic::VectorComputed) == ["need 7: 3", "need 8: 2"]);
    eventually("it is ready", || running.counts.seen().ready);
    assert_eq!(running.counts.seen().table_records, 5);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn records_that_cannot_be_judged_now_come_again_in_order_and_each_once() {
    let mock = Mock::start();
    let away = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &away, &[]).ready();
    let orders: Vec<String> =
        (0..200).map(|n| format!("{} {n:03}", if n % 7 == 3 { "later" } else { "emit" })).collect();
    let records: Vec<(i32, &str)> = orders.iter().map(|order| (3, order.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
    eventually("it is told", || running.counts.seen().deferred == 1);
    assert!(!running.counts.seen().ready);
    mock.write(Topic::AlertRaised, &[(4, "emit other")]);
    eventually("the others flow", || mock.texts(Topic::VectorComputed).contains(&"emit other".to_owned()));
    eventually("what is before it is committed", || mock.committed(GROUP, Topic::AlertRaised)[3] == Some(3));
    away.store(false, Ordering::Relaxed);
    eventually("all is emitted", || running.counts.seen().counts.emitted == 201);
    eventually("it is ready", || running.counts.seen().ready);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts[..200], orders);
    let violations = running.counts.seen().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
}

#[test]
fn what_waits_for_the_registry_goes_to_the_next_owner() {
    let mock = Mock::start();
    let away = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &away, &[]);
    mock.write(Topic::AlertRaised, &[(0, "emit 1"), (0, "later 2"), (0, "emit 3")]);
    eventually("it waits", || running.counts.seen().deferred == 1);
    assert_eq!(running.stop(), Stop::Drained);
    away.store(false, Ordering::Relaxed);
    let running = start(&mock, &away, &[]);
    eventually("the rest is emitted", || running.counts.seen().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 1", "later 2", "emit 3"]);
}
