//! The batch producer and the topic reader on a mocked broker.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::{Duration, Instant};

use common::{Mock, runtime, text};
use contracts::Topic;
use kafka_io::{
    BatchProducer, ClusterQuery, GroupOffsets, GroupQuery, OutRecord, ProduceError, ProducerLimits,
    QueryError, RecordMetadata, Start, TopicReader,
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

fn record(partition: i32, payload: &str) -> OutRecord {
    OutRecord::new(Topic::AlertRaised, partition, "key", payload.as_bytes().to_vec())
}

#[test]
fn results_come_in_the_order_of_the_records() {
    let mock = Mock::start();
    let producer = BatchProducer::new(&mock.config, ProducerLimits::default()).unwrap();
    let records = vec![record(1, "a"), record(2, "b"), record(1, "c"), record(99, "nowhere"), record(2, "d")];
    let results = runtime().block_on(producer.produce(records));
    let placed = |partition, offset| Ok(RecordMetadata { partition, offset });
    assert_eq!(results[..3], [placed(1, 0), placed(2, 0), placed(1, 1)]);
    assert!(
        matches!(&results[3], Err(ProduceError::Failed { cause }) if !cause.is_empty()),
        "{:?}",
        results[3]
    );
    assert_eq!(results[4], placed(2, 1));
    assert_eq!(producer.in_flight_bytes(), 0);
}

#[test]
fn a_batch_that_does_not_fit_is_refused_whole_and_nothing_is_sent() {
    let mock = Mock::start();
    let limits = ProducerLimits { in_flight_max_bytes: 100, ..ProducerLimits::default() };
    let producer = BatchProducer::new(&mock.config, limits).unwrap();
    let results = runtime().block_on(producer.produce(vec![record(0, "small"), record(0, &"x".repeat(100))]));
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| matches!(result, Err(ProduceError::Full { max_bytes: 100, .. }))));
    assert_eq!(mock.read(Topic::AlertRaised), []);
    assert!(runtime().block_on(producer.produce(vec![record(0, "small")]))[0].is_ok());
}

#[test]
fn without_a_broker_the_answer_is_unknown_after_the_timeout_and_the_bytes_stay_counted() {
    let mock = Mock::start();
    let limits = ProducerLimits { timeout: Duration::from_secs(2), ..ProducerLimits::default() };
    let producer = BatchProducer::new(&mock.config, limits).unwrap();
    assert!(runtime().block_on(producer.produce(vec![record(0, "a")]))[0].is_ok());
    mock.cluster().broker_down(-1).unwrap();
    let begun = Instant::now();
    let results = runtime().block_on(producer.produce(vec![record(0, "b")]));
    assert_eq!(results, [Err(ProduceError::Unknown { waited_ms: 2_000 })]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(producer.in_flight_bytes() > 0);
    mock.cluster().broker_up(-1).unwrap();
    common::eventually("it is written after all", || producer.in_flight_bytes() == 0);
    assert_eq!(mock.texts(Topic::AlertRaised), ["a", "b"]);
}

#[test]
fn a_reader_stops_at_the_end_and_follows_when_asked() {
    let mock = Mock::start();
    for n in 0..50 {
        mock.write(Topic::AlertRaised, &[(n % 12, &n.to_string())]);
    }
    assert_eq!(mock.read(Topic::AlertRaised).len(), 50);
    let mut reader =
        TopicReader::open(&mock.config, &[Topic::AlertRaised, Topic::BarClosed], Start::Latest).unwrap();
    assert!(reader.is_at_end());
    mock.write(Topic::BarClosed, &[(3, "bar")]);
    mock.write(Topic::AlertRaised, &[(4, "alert")]);
    reader.aim().unwrap();
    assert!(!reader.is_at_end());
    let mut read = Vec::new();
    while !reader.is_at_end() {
        read.append(&mut reader.read(Duration::from_millis(100)).unwrap());
    }
    let mut texts: Vec<_> =
        read.iter().map(|record| (record.topic, record.partition, text(record))).collect();
    texts.sort();
    assert_eq!(
        texts,
        [(Topic::AlertRaised, 4, "alert".to_owned()), (Topic::BarClosed, 3, "bar".to_owned()),]
    );
}

#[test]
fn an_empty_topic_is_read_at_once() {
    let mock = Mock::start();
    let begun = Instant::now();
    assert_eq!(mock.read(Topic::NewsPublished), []);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn watermarks_and_committed_offsets_are_told_by_partition() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(1, "a"), (1, "b"), (2, "c")]);
    mock.commit("tapeline.other", Topic::AlertRaised, 1, 2);
    let ends: Vec<i64> = ClusterQuery::new(&mock.config)
        .unwrap()
        .watermarks(Topic::AlertRaised)
        .unwrap()
        .iter()
        .map(|end| end.high)
        .collect();
    assert_eq!(ends, [0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let group = GroupQuery::new(&mock.config, "tapeline.other").unwrap();
    assert_eq!(group.committed(Topic::AlertRaised, 3).unwrap(), [(0, None), (1, Some(2)), (2, None)]);
}

#[test]
fn a_coordinator_that_has_moved_is_asked_for_again() {
    let mock = Mock::start();
    mock.commit("tapeline.other", Topic::AlertRaised, 1, 2);
    let place = (Topic::AlertRaised, 1);
    for moved in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    ] {
        mock.cluster().request_errors(RDKafkaApiKey::OffsetFetch, &[moved; 3]);
        let group = GroupQuery::new(&mock.config, "tapeline.other").unwrap();
        assert_eq!(group.committed(Topic::AlertRaised, 2).unwrap(), [(0, None), (1, Some(2))], "{moved:?}");
        mock.cluster().request_errors(RDKafkaApiKey::OffsetFetch, &[moved; 3]);
        let group = GroupOffsets::new(&mock.config, "tapeline.other").unwrap();
        assert_eq!(group.committed([place]).unwrap()[&place].offset, 2, "{moved:?}");
    }
}

#[test]
fn what_the_coordinator_will_never_say_is_not_asked_again() {
    let mock = Mock::start();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    mock.cluster().request_errors(RDKafkaApiKey::OffsetFetch, &[denied]);
    let group = GroupQuery::new(&mock.config, "tapeline.other").unwrap();
    let refused = group.committed(Topic::AlertRaised, 2);
    assert!(matches!(refused, Err(QueryError::AccessDenied(_))), "{refused:?}");
    assert_eq!(group.committed(Topic::AlertRaised, 1).unwrap(), [(0, None)]);
}

#[test]
fn a_leader_that_never_says_where_its_partition_ends_is_an_error_after_the_timeout() {
    let mock = Mock::start();
    let inquirer = ClusterQuery::new(&mock.config).unwrap();
    let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    // More refusals than there is time for: each is answered at once.
    mock.cluster().request_errors(RDKafkaApiKey::ListOffsets, &[moved; 1_000]);
    let answer = inquirer.watermarks(Topic::AlertRaised);
    assert!(matches!(answer, Err(QueryError::Unanswered { .. })), "{answer:?}");
    mock.cluster().clear_request_errors(RDKafkaApiKey::ListOffsets);
    assert_eq!(inquirer.watermarks(Topic::AlertRaised).unwrap().len(), 12);
}
