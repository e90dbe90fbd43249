//! The batch producer and the topic reader on a mocked broker.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod common;

use std::time::Duration;

use common::{Mock, runtime, text};
use contracts::Topic;
use kafka_io::{
    BatchProducer, ClusterQuery, ErrorChain, GroupOffsets, GroupQuery, OutRecord, ProduceError,
    ProducerLimits, QueryError, RecordMetadata, Start, TopicReader,
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

/// The result of an acknowledged record.
fn written(partition: i32, offset: i64) -> Result<RecordMetadata, ProduceError> {
    Ok(RecordMetadata { partition, offset })
}

fn record(partition: i32, payload: &str) -> OutRecord {
    OutRecord::new(Topic::AlertRaised, partition, "key", payload.as_bytes().to_vec())
}

#[test]
fn results_are_in_the_order_of_the_records() {
    let mock = Mock::start();
    let producer = BatchProducer::new(&mock.config, ProducerLimits::default()).unwrap();
    let records =
        vec![record(1, "a"), record(2, "b"), record(1, "c"), record(99, "no such partition"), record(2, "d")];
    let results = runtime().block_on(producer.produce(records));
    assert_eq!(results[..3], [written(1, 0), written(2, 0), written(1, 1)]);
    assert!(
        matches!(&results[3], Err(ProduceError::Failed { cause }) if !cause.is_empty()),
        "{:?}",
        results[3]
    );
    assert_eq!(results[4], written(2, 1));
    assert_eq!(producer.in_flight_bytes(), 0);
}

#[test]
fn batch_above_the_byte_bound_is_rejected_as_a_whole() {
    let mock = Mock::start();
    let limits = ProducerLimits { in_flight_max_bytes: 100, ..ProducerLimits::default() };
    let producer = BatchProducer::new(&mock.config, limits).unwrap();
    let results = runtime().block_on(producer.produce(vec![record(0, "small"), record(0, &"x".repeat(100))]));
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| matches!(result, Err(ProduceError::Full { bytes_max: 100, .. }))));
    assert_eq!(mock.read(Topic::AlertRaised), []);
    assert_eq!(runtime().block_on(producer.produce(vec![record(0, "small")])), [written(0, 0)]);
}

#[test]
fn record_is_in_doubt_and_in_flight_without_broker() {
    let mock = Mock::start();
    let limits = ProducerLimits { timeout: Duration::from_secs(2), ..ProducerLimits::default() };
    let producer = BatchProducer::new(&mock.config, limits).unwrap();
    assert_eq!(runtime().block_on(producer.produce(vec![record(0, "a")])), [written(0, 0)]);
    mock.cluster().broker_down(-1).unwrap();
    let results = runtime().block_on(producer.produce(vec![record(0, "b")]));
    assert_eq!(results, [Err(ProduceError::Unknown { waited_ms: 2_000 })]);
    assert!(producer.in_flight_bytes() > 0);
    mock.cluster().broker_up(-1).unwrap();
    common::eventually("the record is acknowledged", || producer.in_flight_bytes() == 0);
    assert_eq!(mock.texts(Topic::AlertRaised), ["a", "b"]);
}

#[test]
fn records_of_a_call_are_sent_before_any_acknowledgement() {
    const RECORDS: usize = 1_000;
    let mock = Mock::start();
    let producer = BatchProducer::new(&mock.config, ProducerLimits::default()).unwrap();
    assert_eq!(runtime().block_on(producer.produce(vec![record(0, "a")])), [written(0, 0)]);
    mock.cluster().broker_down(-1).unwrap();
    let in_flight = runtime().block_on(async {
        let mut call = std::pin::pin!(producer.produce(vec![record(0, "b"); RECORDS]));
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        producer.in_flight_bytes()
    });
    assert_eq!(in_flight, RECORDS * record(0, "b").size_bytes());
}

#[test]
fn reader_ends_at_the_end_and_follows_a_new_one() {
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
fn empty_topic_is_at_its_end_without_a_read() {
    let mock = Mock::start();
    let reader = TopicReader::open(&mock.config, &[Topic::NewsPublished], Start::Earliest).unwrap();
    assert!(reader.is_at_end());
    assert_eq!(mock.read(Topic::NewsPublished), []);
}

#[test]
fn watermarks_and_committed_offsets_are_per_partition() {
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
fn query_to_a_moved_coordinator_is_retried() {
    let mock = Mock::start();
    mock.commit("tapeline.other", Topic::AlertRaised, 1, 2);
    let partition = (Topic::AlertRaised, 1);
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
        assert_eq!(group.committed([partition]).unwrap()[&partition].offset, 2, "{moved:?}");
    }
}

#[test]
fn denied_query_is_not_retried() {
    let mock = Mock::start();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    mock.cluster().request_errors(RDKafkaApiKey::OffsetFetch, &[denied]);
    let group = GroupQuery::new(&mock.config, "tapeline.other").unwrap();
    let result = group.committed(Topic::AlertRaised, 2);
    assert!(matches!(result, Err(QueryError::AccessDenied(_))), "{result:?}");
    assert_eq!(group.committed(Topic::AlertRaised, 1).unwrap(), [(0, None)]);
}

#[test]
fn query_to_a_moving_leader_fails_after_the_timeout() {
    let mock = Mock::start();
    let query = ClusterQuery::new(&mock.config).unwrap();
    let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    // More error responses than retries within the timeout.
    mock.cluster().request_errors(RDKafkaApiKey::ListOffsets, &[moved; 1_000]);
    let error = query.watermarks(Topic::AlertRaised).unwrap_err();
    assert!(matches!(error, QueryError::Failed { .. }), "{error:?}");
    let text = ErrorChain(&error).to_string();
    let expected = format!("failed to fetch watermarks of {}[0] from 127.0.0.1:", Topic::AlertRaised);
    assert!(text.starts_with(&expected) && text.contains("Not leader for partition"), "{text}");
    mock.cluster().clear_request_errors(RDKafkaApiKey::ListOffsets);
    assert_eq!(query.watermarks(Topic::AlertRaised).unwrap().len(), 12);
}
