//! Unavailable registry: only the partitions of undecodable records wait.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use pipeline::Stop;

const GROUP: &str = "tapeline.test";

fn start(mock: &Mock, unavailable: &Arc<AtomicBool>, tables: &[Topic]) -> Running {
    let (unavailable, tables) = (Arc::clone(unavailable), tables.to_vec());
    Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| {
        (stage.registry_unavailable, stage.tables) = (unavailable, tables);
    })
}

#[test]
fn undecodable_table_record_pauses_only_its_partition() {
    let mock = Mock::start();
    mock.write(Topic::BarClosed, &[(7, "bar"), (7, "unavailable"), (7, "bar")]);
    let unavailable = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &unavailable, &[Topic::BarClosed]);
    let cause = "1 table partitions paused: record cannot be decoded yet";
    eventually("the partition is paused", || running.counts.latest().unready_cause == cause);
    mock.write(Topic::BarClosed, &[(8, "bar"), (8, "bar")]);
    mock.write(Topic::AlertRaised, &[(8, "need 8")]);
    eventually("the other partition continues", || mock.texts(Topic::VectorComputed) == ["need 8: 2"]);
    mock.write(Topic::AlertRaised, &[(7, "need 7")]);
    eventually("the record is held", || running.counts.latest().counts.held == 1);
    assert!(!running.counts.latest().ready);
    unavailable.store(false, Ordering::Relaxed);
    eventually("the partition continues", || mock.texts(Topic::VectorComputed) == ["need 7: 3", "need 8: 2"]);
    eventually("the stage is ready", || running.counts.latest().ready);
    assert_eq!(running.counts.latest().table_records, 5);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn deferred_records_are_processed_once_and_in_order() {
    let mock = Mock::start();
    let unavailable = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &unavailable, &[]).ready();
    let commands: Vec<String> =
        (0..200).map(|n| format!("{} {n:03}", if n % 7 == 3 { "later" } else { "emit" })).collect();
    let records: Vec<(i32, &str)> = commands.iter().map(|command| (3, command.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
    eventually("the partition is deferred", || running.counts.latest().deferred == 1);
    assert!(!running.counts.latest().ready);
    mock.write(Topic::AlertRaised, &[(4, "emit other")]);
    eventually("the other partitions continue", || {
        mock.texts(Topic::VectorComputed).contains(&"emit other".to_owned())
    });
    eventually("the records before it are committed", || {
        mock.committed(GROUP, Topic::AlertRaised)[3] == Some(3)
    });
    unavailable.store(false, Ordering::Relaxed);
    eventually("all is emitted", || running.counts.latest().counts.emitted == 201);
    eventually("the stage is ready", || running.counts.latest().ready);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts[..200], commands);
    let violations = running.counts.latest().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
}

#[test]
fn deferred_records_move_to_the_next_owner() {
    let mock = Mock::start();
    let unavailable = Arc::new(AtomicBool::new(true));
    let running = start(&mock, &unavailable, &[]);
    mock.write(Topic::AlertRaised, &[(0, "emit 1"), (0, "later 2"), (0, "emit 3")]);
    eventually("the record is held", || running.counts.latest().deferred == 1);
    assert_eq!(running.stop(), Stop::Drained);
    unavailable.store(false, Ordering::Relaxed);
    let running = start(&mock, &unavailable, &[]);
    eventually("the rest is emitted", || running.counts.latest().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 1", "later 2", "emit 3"]);
}
