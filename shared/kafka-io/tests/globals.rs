//! Global tables on a mocked broker: partitions of which every instance has all, whatever it owns.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Mock, PATIENCE, Running, eventually};
use contracts::Topic;
use kafka_io::Hooks;
use pipeline::Stop;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const GROUP: &str = "tapeline.desk";
const BARS: Topic = Topic::BarClosed;

fn start(mock: &Mock, partitions: &[i32]) -> Running {
    Running::start_as(&mock.config, GROUP, Hooks::default(), |desk| {
        desk.tables = vec![BARS];
        desk.globals = partitions.iter().map(|partition| (BARS, *partition)).collect();
    })
}

#[test]
fn every_instance_has_all_of_a_global_table_and_its_share_beside_it() {
    let mock = Mock::start();
    mock.write(BARS, &[(3, "bar"), (3, "bar"), (8, "bar"), (5, "bar")]);
    let (one, other) = (start(&mock, &[3, 8]), start(&mock, &[3, 8]));
    eventually("both own half", || {
        [&one, &other]
            .iter()
            .all(|running| running.counts.seen().ready && running.counts.seen().partitions == 6)
    });
    let all: Vec<i32> = (0..common::PARTITIONS).collect();
    let orders = |text: &'static str| all.iter().map(|partition| (*partition, text)).collect::<Vec<_>>();
    mock.write(Topic::AlertRaised, &orders("market"));
    mock.write(Topic::AlertRaised, &orders("need"));
    eventually("all is emitted", || mock.texts(Topic::VectorComputed).len() == 24);
    let texts = mock.texts(Topic::VectorComputed);
    assert_eq!(texts.iter().filter(|text| *text == "market: 3").count(), 12, "{texts:?}");
    // Of its own partition each sees what lies there, be it global or not.
    for (text, partitions) in [("need: 2", 1), ("need: 1", 2), ("need: 0", 9)] {
        assert_eq!(texts.iter().filter(|found| *found == text).count(), partitions, "{texts:?}");
    }
    assert_eq!((one.stop(), other.stop()), (Stop::Drained, Stop::Drained));
}

#[test]
fn work_sees_every_global_record_acknowledged_before_it() {
    let mock = Mock::start();
    mock.write(BARS, &vec![(3, "bar"); 500]);
    let running = start(&mock, &[3, 8]);
    for round in 0..30 {
        mock.write(BARS, &[(3, "bar"), (8, "bar")]);
        mock.write(Topic::AlertRaised, &[(round % 12, &format!("market {round:02}"))]);
    }
    eventually("all is emitted", || running.counts.seen().counts.emitted == 30);
    for text in mock.texts(Topic::VectorComputed) {
        let (order, seen) = text.split_once(": ").unwrap();
        let round: i32 = order.strip_prefix("market ").unwrap().parse().unwrap();
        assert!(seen.parse::<i32>().unwrap() >= 502 + 2 * round, "{text}");
    }
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn a_stage_is_ready_when_its_global_tables_are_loaded_and_says_what_it_waits_for() {
    let mock = Mock::start();
    let away = Arc::new(AtomicBool::new(true));
    mock.write(BARS, &[(8, "bar"), (8, "unavailable"), (8, "bar")]);
    let running = Running::start_as(&mock.config, GROUP, Hooks::default(), |desk| {
        desk.globals = [(BARS, 8)].into();
        desk.away = Arc::clone(&away);
    });
    eventually("it waits", || running.counts.seen().waits_for == "1 table partitions can't be read now");
    mock.write(Topic::AlertRaised, &[(1, "market"), (1, "emit")]);
    eventually("other work goes on", || mock.texts(Topic::VectorComputed) == ["emit"]);
    assert!(!running.counts.seen().ready);
    away.store(false, Ordering::Relaxed);
    eventually("the table is read on", || running.counts.seen().ready);
    eventually("it is judged", || mock.texts(Topic::VectorComputed) == ["emit", "market: 3"]);
    assert_eq!(running.stop(), Stop::Drained);
}

#[test]
fn clients_made_anew_read_a_global_table_again_before_work_that_needs_it() {
    let mock = Mock::start();
    mock.write(BARS, &vec![(3, "bar"); 2_000]);
    let running = start(&mock, &[3]).ready();
    mock.write(Topic::AlertRaised, &[(1, "market")]);
    eventually("it is judged", || mock.texts(Topic::VectorComputed) == ["market: 2000"]);
    mock.write(Topic::AlertRaised, &[(2, "hold")]);
    let held = running.work.recv_timeout(PATIENCE).unwrap();
    // The answer after which librdkafka gives an idempotent producer up.
    let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.cluster().request_errors(RDKafkaApiKey::Produce, &[out_of_order; 3]);
    running.completions.send(held).unwrap();
    let again = running.work.recv_timeout(PATIENCE).unwrap();
    mock.cluster().clear_request_errors(RDKafkaApiKey::Produce);
    running.completions.send(again).unwrap();
    mock.write(Topic::AlertRaised, &[(1, "market")]);
    eventually("all is emitted", || mock.texts(Topic::VectorComputed).len() == 3);
    // The desk counts what comes again as well.
    assert!(mock.texts(Topic::VectorComputed).contains(&"market: 4000".to_owned()));
    assert_eq!(running.stop(), Stop::Drained);
}
