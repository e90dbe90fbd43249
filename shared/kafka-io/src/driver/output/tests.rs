//! Transactions whose outputs the client rejects or cannot deliver, on mocked brokers.

use contracts::Topic;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCoordinator;
use rdkafka::types::RDKafkaRespErr;

use super::*;

const OUTPUT: Topic = Topic::VectorComputed;

fn monitor() -> BrokerMonitor {
    BrokerMonitor::new("test", "test", Box::new(|_| {}))
}

/// Repeats a transaction of one record while the broker returns `error` for its topic, until the client rejects the record locally,
/// which it does as soon as it has received that error.
fn transacted(error: RDKafkaRespErr) -> Result<Result<(), CallError>, DriverError> {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    for topic in [Topic::AlertRaised, OUTPUT] {
        cluster.create_topic(topic.name(), 1, 1).unwrap();
    }
    let mut config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    config.delivery = Delivery::Transactional;
    // How long the client treats an unknown topic as one that is being created.
    config.options.insert("topic.metadata.propagation.max.ms".to_owned(), "1".to_owned());
    let consumer = client::work_consumer(&config, "tapeline.test").unwrap();
    let mut output = Output::new(&config, "tapeline.test", Wake::default(), monitor()).unwrap().unwrap();
    cluster.topic_error(OUTPUT.name(), error).unwrap();
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let positions = TopicPartitionList::new();
    for _ in 0..20 {
        match output.transact([&record].into_iter(), &positions, &consumer, &mut |_| false)? {
            // The client accepted the record; the next step fails, because this consumer is a member of no group.
            Err(error) if error.code == RDKafkaErrorCode::UnknownMemberId => drop(output.abort(error)?),
            other => return Ok(other),
        }
    }
    panic!("the client never rejected the record");
}

#[test]
fn transaction_with_a_rejected_output_is_aborted() {
    let error = transacted(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap().unwrap_err();
    assert_eq!(error.remedy(), Remedy::Abort, "{error}");
    assert!(error.text.contains(OUTPUT.name()), "{error}");
}

#[test]
fn denied_output_topic_ends_the_stage() {
    let error =
        transacted(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap().unwrap_err();
    assert!(error.is_access_denied() && error.remedy() == Remedy::Recreate, "{error}");
    assert!(error.text.contains(OUTPUT.name()), "{error}");
    assert!(denied(RDKafkaErrorCode::UnknownTopicOrPartition, "").is_none());
}

/// Aborts a transaction of one record as soon as its attempt satisfies `is_ready`. The record's leader is not the coordinator.
fn aborted(leader_is_up: bool, is_ready: fn(&Attempt) -> bool) -> (Output, BatchOutcome) {
    let host = client::mock_host_of(2).unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    let mut config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    config.delivery = Delivery::Transactional;
    let id = transactional_id(&config, "tapeline.test");
    cluster.coordinator(MockCoordinator::Transaction(id), 1).unwrap();
    cluster.create_topic(OUTPUT.name(), 1, 1).unwrap();
    cluster.partition_leader(OUTPUT.name(), 0, Some(2)).unwrap();
    let consumer = client::work_consumer(&config, "tapeline.test").unwrap();
    let mut output = Output::new(&config, "tapeline.test", Wake::default(), monitor()).unwrap().unwrap();
    if !leader_is_up {
        cluster.broker_down(2).unwrap();
    }
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let acknowledged = Arc::clone(&output.acknowledged);
    let mut abort = move |step| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while step == TransactionStep::Sent && !is_ready(&lock(&acknowledged)) {
            assert!(Instant::now() < deadline, "the record was neither acknowledged nor failed");
            thread::yield_now();
        }
        step == TransactionStep::Sent
    };
    let positions = TopicPartitionList::new();
    let error =
        output.transact([&record].into_iter(), &positions, &consumer, &mut abort).unwrap().unwrap_err();
    let outcome = output.abort(error).unwrap();
    if matches!(outcome, BatchOutcome::AbortedInDoubt(_)) {
        output.recreate(&config, "tapeline.test", Wake::default(), monitor()).unwrap().unwrap();
    }
    (output, outcome)
}

#[test]
fn abort_with_unacknowledged_outputs_recreates_the_producer() {
    let (output, outcome) = aborted(false, |_| true);
    assert!(matches!(outcome, BatchOutcome::AbortedInDoubt(_)), "{outcome:?}");
    let attempt = lock(&output.acknowledged);
    assert_eq!((attempt.number, attempt.in_doubt, output.abort_backoff.failures()), (0, 0, 1));
}

#[test]
fn abort_after_all_acknowledgements_keeps_the_producer() {
    let (output, outcome) = aborted(true, |attempt| attempt.outstanding == 0);
    assert!(matches!(outcome, BatchOutcome::Aborted(_)), "{outcome:?}");
    assert_eq!(lock(&output.acknowledged).number, 1);
}
