//! What goes wrong under a driver: clients that fail for good, a membership that is lost, brokers that are gone for a while.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;

use common::{Mock, Running, eventually};
use contracts::Topic;
use kafka_io::{GroupProtocol, KafkaConfig};
use pipeline::Stop;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const GROUP: &str = "tapeline.desk";

fn orders(from: i32, to: i32) -> Vec<(i32, String)> {
    (from..to).map(|n| (n % 12, format!("emit {n}"))).collect()
}

fn write(mock: &Mock, orders: &[(i32, String)]) {
    let records: Vec<(i32, &str)> =
        orders.iter().map(|(partition, text)| (*partition, text.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
}

/// Each order is among the outputs, at least once.
fn assert_nothing_lost(mock: &Mock, orders: &[(i32, String)]) {
    let emitted: BTreeSet<String> = mock.texts(Topic::VectorComputed).into_iter().collect();
    let ordered: BTreeSet<String> = orders.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(emitted, ordered);
}

#[test]
fn clients_that_fail_for_good_are_made_anew_and_nothing_is_lost() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    let orders: Vec<_> = (0..24).map(|n| (n % 12, format!("hold {n}"))).collect();
    write(&mock, &orders);
    let held: Vec<_> = orders.iter().map(|_| running.work.recv_timeout(common::PATIENCE).unwrap()).collect();
    // The answer after which librdkafka gives an idempotent producer up.
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    for done in held {
        running.completions.send(done).unwrap();
    }
    // What was held is delivered again to the new clients, under new epochs.
    for _ in 0..orders.len() {
        let done = running.work.recv_timeout(common::PATIENCE).unwrap();
        mock.cluster().clear_request_errors(RDKafkaApiKey::Produce);
        running.completions.send(done).unwrap();
    }
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(2); 12]);
    let seen = running.counts.seen();
    assert_eq!((seen.counts.received, seen.counts.returned, seen.violations), (48, 24, 0));
    assert_eq!(running.stop(), Stop::Drained);
    assert_nothing_lost(&mock, &orders);
}

#[test]
fn a_lost_membership_discards_what_is_held_and_reads_it_again() {
    let mock = Mock::start();
    // The mock can refuse the classic protocol's heartbeats alone.
    let protocol = Some(GroupProtocol::Classic);
    let config =
        KafkaConfig { group_protocol: protocol, session_timeout_ms: 6_000.into(), ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (1, "emit 2")]);
    let (before, _) = running.work.recv_timeout(common::PATIENCE).unwrap();
    eventually("the other is committed", || mock.committed(GROUP, Topic::AlertRaised)[1] == Some(1));
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    mock.cluster().request_errors(RDKafkaApiKey::Heartbeat, &[unknown]);
    let (after, text) = running.work.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!((after.offset, before.offset, text.as_str()), (0, 0, "hold 1"));
    assert!(after.epoch > before.epoch);
    // What the old assignment held is nobody's any more.
    running.completions.send((before, text.clone())).unwrap();
    running.completions.send((after, text)).unwrap();
    eventually("it is committed", || mock.committed(GROUP, Topic::AlertRaised)[0] == Some(1));
    let seen = running.counts.seen();
    assert_eq!((seen.counts.returned, seen.counts.emitted, seen.violations), (1, 2, 0));
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["hold 1", "emit 2"]);
}

#[test]
fn a_broker_that_is_gone_for_a_while_costs_time_and_nothing_else() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[Topic::BarClosed]).ready();
    let orders = orders(0, 240);
    write(&mock, &orders[..120]);
    mock.cluster().broker_down(-1).unwrap();
    std::thread::park_timeout(std::time::Duration::from_secs(1));
    mock.cluster().broker_up(-1).unwrap();
    write(&mock, &orders[120..]);
    eventually("all is emitted", || running.counts.seen().counts.emitted >= 240);
    assert_eq!(running.counts.seen().violations, 0);
    assert_eq!(running.stop(), Stop::Drained);
    assert_nothing_lost(&mock, &orders);
}

#[test]
fn a_client_that_fails_for_good_while_the_stage_drains_does_not_keep_it_from_ending() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &[(0, "hold 1"), (1, "hold 2")]);
    let held: Vec<_> = (0..2).map(|_| running.work.recv_timeout(common::PATIENCE).unwrap()).collect();
    running.shutdown.request();
    eventually("it drains", || !running.counts.seen().ready);
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    running.completions.send(held[0].clone()).unwrap();
    eventually("it ends", || running.thread.is_finished());
    assert!(matches!(running.stop(), Stop::DrainTimedOut { held: 1.. }));
    assert_eq!(mock.committed(GROUP, Topic::AlertRaised)[..2], [None, None]);
}

#[test]
fn a_poisoned_partition_is_told_and_the_stage_is_not_ready() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[]).ready();
    mock.write(Topic::AlertRaised, &vec![(3, "bad"); 1_000]);
    eventually("it is told", || running.counts.seen().stopped_partitions == 1);
    assert!(!running.counts.seen().ready);
    mock.write(Topic::AlertRaised, &[(4, "emit on")]);
    eventually("the others flow", || running.counts.seen().counts.emitted == 1);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn a_group_is_heard_while_work_waits_for_the_ends_of_its_tables() {
    let mock = Mock::start();
    let running = Running::start(&mock.config, GROUP, &[Topic::BarClosed]).ready();
    // So that each position is known, and nothing else asks where partitions begin.
    let all: Vec<i32> = (0..12).collect();
    mock.write(Topic::BarClosed, &all.iter().map(|partition| (*partition, "bar")).collect::<Vec<_>>());
    mock.write(Topic::AlertRaised, &all.iter().map(|partition| (*partition, "drop")).collect::<Vec<_>>());
    eventually("all is read", || {
        let seen = running.counts.seen();
        (seen.counts.received, seen.table_records) == (12, 12)
    });
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised) == [Some(1); 12]);
    let no = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.cluster().request_errors(RDKafkaApiKey::ListOffsets, &[no; 5_000]);
    let orders = orders(0, 6_000);
    write(&mock, &orders);
    // More has come than is fetched ahead, and none of it may be judged.
    std::thread::park_timeout(std::time::Duration::from_secs(1));
    assert_eq!(running.counts.seen().counts.received, 12);
    let second = Running::start(&mock.config, GROUP, &[Topic::BarClosed]);
    eventually("it gives back", || running.counts.seen().partitions == 6);
    mock.cluster().clear_request_errors(RDKafkaApiKey::ListOffsets);
    let emitted = || running.counts.seen().counts.emitted + second.counts.seen().counts.emitted;
    eventually("all is emitted", || emitted() == 6_000);
    assert_eq!((running.stop(), second.stop()), (Stop::Drained, Stop::Drained));
    assert_nothing_lost(&mock, &orders);
}
