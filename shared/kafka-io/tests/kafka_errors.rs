//! Errors of Kafka under a running driver: fatal client errors, a lost membership, broker outages.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::{GroupProtocol, KafkaConfig};
use pipeline::Stop;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const GROUP: &str = "tapeline.test";

/// Duration of a broker's outage.
const OUTAGE: Duration = Duration::from_secs(1);

fn commands(from: i32, to: i32) -> Vec<(i32, String)> {
    (from..to).map(|n| (n % 12, format!("emit {n}"))).collect()
}

fn write(mock: &Mock, commands: &[(i32, String)]) {
    let records: Vec<(i32, &str)> =
        commands.iter().map(|(partition, text)| (*partition, text.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
}

/// Asserts that each command is among the outputs, at least once.
fn assert_nothing_lost(mock: &Mock, commands: &[(i32, String)]) {
    let emitted: BTreeSet<String> = mock.texts(Topic::VectorComputed).into_iter().collect();
    let expected: BTreeSet<String> = commands.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(emitted, expected);
}

#[test]
fn fatal_client_error_recreates_clients_without_loss() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    let commands: Vec<_> = (0..24).map(|n| (n % 12, format!("hold {n}"))).collect();
    write(&mock, &commands);
    let held: Vec<_> = commands.iter().map(|_| running.work.recv_timeout(common::TIMEOUT).unwrap()).collect();
    // The error that is fatal for an idempotent producer.
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    for done in held {
        running.completions.send(done).unwrap();
    }
    // The held records are redelivered to the new clients, under new epochs.
    for _ in 0..commands.len() {
        let done = running.work.recv_timeout(common::TIMEOUT).unwrap();
        mock.cluster().clear_request_errors(RDKafkaApiKey::Produce);
        running.completions.send(done).unwrap();
    }
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(2); 12]);
    let status = running.counts.latest();
    assert_eq!((status.counts.received, status.counts.redelivered, status.violations), (48, 24, 0));
    assert_eq!(running.stop(), Stop::Drained);
    assert_nothing_lost(&mock, &commands);
}

#[test]
fn lost_membership_redelivers_held_records() {
    let mock = Mock::start();
    // The mock can reject only the heartbeats of the classic protocol.
    let protocol = Some(GroupProtocol::Classic);
    let config =
        KafkaConfig { group_protocol: protocol, session_timeout_ms: 6_000.into(), ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (1, "emit 2")]);
    let (before, _) = running.work.recv_timeout(common::TIMEOUT).unwrap();
    eventually("the other record is committed", || mock.committed(GROUP, Topic::AlertRaised)[1] == Some(1));
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    mock.cluster().request_errors(RDKafkaApiKey::Heartbeat, &[unknown]);
    let (after, text) = running.work.recv_timeout(common::TIMEOUT).unwrap();
    assert_eq!((after.offset, before.offset, text.as_str()), (0, 0, "hold 1"));
    assert!(after.epoch > before.epoch);
    // A completion of the old assignment epoch has no effect.
    running.completions.send((before, text.clone())).unwrap();
    running.completions.send((after, text)).unwrap();
    eventually("the record is committed", || mock.committed(GROUP, Topic::AlertRaised)[0] == Some(1));
    let status = running.counts.latest();
    assert_eq!((status.counts.redelivered, status.counts.emitted, status.violations), (1, 2, 0));
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 1", "emit 2"]);
}

#[test]
fn broker_outage_delays_records_without_loss() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[Topic::BarClosed]).ready();
    let commands = commands(0, 240);
    write(&mock, &commands[..120]);
    mock.cluster().broker_down(-1).unwrap();
    std::thread::park_timeout(OUTAGE);
    mock.cluster().broker_up(-1).unwrap();
    write(&mock, &commands[120..]);
    eventually("all is emitted", || running.counts.latest().counts.emitted >= 240);
    assert_eq!(running.counts.latest().violations, 0);
    assert_eq!(running.stop(), Stop::Drained);
    assert_nothing_lost(&mock, &commands);
}

#[test]
fn fatal_client_error_during_a_drain_ends_the_stage() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (1, "hold 2")]);
    let held: Vec<_> = (0..2).map(|_| running.work.recv_timeout(common::TIMEOUT).unwrap()).collect();
    running.shutdown.request();
    eventually("the drain has begun", || !running.counts.latest().ready);
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    running.completions.send(held[0].clone()).unwrap();
    eventually("the driver has ended", || running.thread.is_finished());
    assert!(matches!(running.stop(), Stop::DrainTimedOut { held: 1.. }));
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[..2], [None, None]);
}

#[test]
fn stopped_partition_makes_the_stage_not_ready() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &vec![(3, "bad"); 1_000]);
    eventually("the partition is stopped", || running.counts.latest().stopped_partitions == 1);
    assert!(!running.counts.latest().ready);
    mock.write(Topic::AlertRaised, &[(4, "emit on")]);
    eventually("the other partitions continue", || running.counts.latest().counts.emitted == 1);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn group_is_polled_while_the_ends_of_tables_are_unknown() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[Topic::BarClosed]).ready();
    // All committed offsets are known, so that only the ends of tables are queried.
    let all: Vec<i32> = (0..12).collect();
    mock.write(Topic::BarClosed, &all.iter().map(|partition| (*partition, "bar")).collect::<Vec<_>>());
    mock.write(Topic::AlertRaised, &all.iter().map(|partition| (*partition, "drop")).collect::<Vec<_>>());
    eventually("all is read", || {
        let status = running.counts.latest();
        (status.counts.received, status.table_records) == (12, 12)
    });
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(1); 12]);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.cluster().request_errors(RDKafkaApiKey::ListOffsets, &[denied; 5_000]);
    let commands = commands(0, 6_000);
    write(&mock, &commands);
    // More records are available than the buffer holds, and none may be processed, although the loop runs and the group rebalances.
    running.iterate(30);
    let second = Running::start(&mock.config, GROUP, &[Topic::BarClosed]);
    eventually("half of the partitions have moved", || running.counts.latest().partitions == 6);
    assert_eq!(running.counts.latest().counts.received, 12);
    mock.cluster().clear_request_errors(RDKafkaApiKey::ListOffsets);
    let emitted = || running.counts.latest().counts.emitted + second.counts.latest().counts.emitted;
    eventually("all is emitted", || emitted() == 6_000);
    assert_eq!((running.stop(), second.stop()), (Stop::Drained, Stop::Drained));
    assert_nothing_lost(&mock, &commands);
}
