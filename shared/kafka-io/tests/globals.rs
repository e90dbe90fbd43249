//! Global tables on a mocked broker: partitions that every instance reads, whatever its assignment.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Mock, Running, TIMEOUT, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use pipeline::Stop;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const GROUP: &str = "tapeline.test";
const BARS: Topic = Topic::BarClosed;

fn start(mock: &Mock, partitions: &[i32]) -> Running {
    Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| {
        stage.tables = vec![BARS];
        stage.globals = partitions.iter().map(|partition| (BARS, *partition)).collect();
    })
}

#[test]
fn every_instance_reads_global_and_co_partitioned_tables() {
    let mock = Mock::start();
    mock.write(BARS, &[(3, "bar"), (3, "bar"), (8, "bar"), (5, "bar")]);
    let (one, other) = (start(&mock, &[3, 8]), start(&mock, &[3, 8]));
    eventually("each driver owns half", || {
        [&one, &other]
            .iter()
            .all(|running| running.counts.latest().ready && running.counts.latest().partitions == 6)
    });
    let all: Vec<i32> = (0..common::PARTITIONS).collect();
    let commands = |text: &'static str| all.iter().map(|partition| (*partition, text)).collect::<Vec<_>>();
    mock.write(Topic::AlertRaised, &commands("market"));
    mock.write(Topic::AlertRaised, &commands("need"));
    eventually("all is emitted", || mock.texts(Topic::VectorComputed).len() == 24);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts.iter().filter(|text| *text == "market: 3").count(), 12, "{texts:?}");
    // The co-partitioned table has the records of the work partition's number, global or not.
    for (text, partitions) in [("need: 2", 1), ("need: 1", 2), ("need: 0", 9)] {
        assert_eq!(texts.iter().filter(|found| *found == text).count(), partitions, "{texts:?}");
    }
    assert_eq!((one.stop(), other.stop()), (Stop::Drained, Stop::Drained));
}

#[test]
fn work_follows_global_records_acknowledged_before_it() {
    let mock = Mock::start();
    mock.write(BARS, &vec![(3, "bar"); 500]);
    let running = start(&mock, &[3, 8]);
    for round in 0..30 {
        mock.write(BARS, &[(3, "bar"), (8, "bar")]);
        mock.write(Topic::AlertRaised, &[(round % 12, &format!("market {round:02}"))]);
    }
    eventually("all is emitted", || running.counts.latest().counts.emitted == 30);
    for text in mock.texts(Topic::VectorComputed) {
        let (command, records) = text.split_once(": ").unwrap();
        let round: i32 = command.strip_prefix("market ").unwrap().parse().unwrap();
        assert!(records.parse::<i32>().unwrap() >= 502 + 2 * round, "{text}");
    }
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn stage_is_ready_when_its_global_tables_are_loaded() {
    let mock = Mock::start();
    let unavailable = Arc::new(AtomicBool::new(true));
    mock.write(BARS, &[(8, "bar"), (8, "unavailable"), (8, "bar")]);
    let running = Running::start_as(&mock.config, GROUP, Hooks::default(), |stage| {
        stage.globals = [(BARS, 8)].into();
        stage.registry_unavailable = Arc::clone(&unavailable);
    });
    let cause = "1 table partitions paused: record cannot be decoded yet";
    eventually("the partition is paused", || running.counts.latest().unready_cause == cause);
    mock.write(Topic::AlertRaised, &[(1, "market"), (1, "emit")]);
    eventually("other work continues", || mock.texts(Topic::VectorComputed) == ["emit"]);
    assert!(!running.counts.latest().ready);
    unavailable.store(false, Ordering::Relaxed);
    eventually("the table is loaded", || running.counts.latest().ready);
    eventually("the record is emitted", || mock.texts(Topic::VectorComputed) == ["emit", "market: 3"]);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn recreated_clients_reload_global_tables_before_work() {
    let mock = Mock::start();
    mock.write(BARS, &vec![(3, "bar"); 2_000]);
    let running = start(&mock, &[3]).ready();
    mock.write(Topic::AlertRaised, &[(1, "market")]);
    eventually("the record is emitted", || mock.texts(Topic::VectorComputed) == ["market: 2000"]);
    mock.write(Topic::AlertRaised, &[(2, "hold")]);
    let held = running.work.recv_timeout(TIMEOUT).unwrap();
    // The error that is fatal for an idempotent producer.
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    running.completions.send(held).unwrap();
    let again = running.work.recv_timeout(TIMEOUT).unwrap();
    mock.cluster().clear_request_errors(RDKafkaApiKey::Produce);
    running.completions.send(again).unwrap();
    mock.write(Topic::AlertRaised, &[(1, "market")]);
    eventually("all is emitted", || mock.texts(Topic::VectorComputed).len() == 3);
    // The stage counts the redelivered table records as well.
    assert!(mock.texts(Topic::VectorComputed).contains(&"market: 4000".to_owned()));
    assert_eq!(running.stop(), Stop::Drained);
}
