//! A transaction whose outputs the client refuses, or can't deliver, on mocked brokers.

use contracts::Topic;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCoordinator;
use rdkafka::types::RDKafkaRespErr;

use super::*;

const OUTPUT: Topic = Topic::VectorComputed;

/// Transacts one record, again and again, while the broker says this of its topic: what the driver is told when it is the
/// client that refuses, as it does once it has heard of it.
fn transacted(answer: RDKafkaRespErr) -> Result<Result<(), CallError>, DriverError> {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    for topic in [Topic::AlertRaised, OUTPUT] {
        cluster.create_topic(topic.name(), 1, 1).unwrap();
    }
    let mut config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    config.delivery = Delivery::Transactional;
    // For this long the client hopes that an unknown topic is a new one.
    config.options.insert("topic.metadata.propagation.max.ms".to_owned(), "1".to_owned());
    let consumer = client::work_consumer(&config, "tapeline.desk").unwrap();
    let mut output = Output::make(&config, "tapeline.desk", Wake::default()).unwrap().unwrap();
    cluster.topic_error(OUTPUT.name(), answer).unwrap();
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let positions = TopicPartitionList::new();
    for _ in 0..20 {
        match output.transact([&record].into_iter(), &positions, &consumer, &mut |_| false)? {
            // Not heard of it when the record left: the next step fails, as this consumer is a member of no group.
            Err(fault) if fault.code == RDKafkaErrorCode::UnknownMemberId => drop(output.abort(fault)?),
            other => return Ok(other),
        }
    }
    panic!("the client never refused");
}

#[test]
fn a_transaction_whose_output_the_client_refuses_is_aborted_not_committed_without_it() {
    let fault = transacted(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap().unwrap_err();
    assert_eq!(fault.remedy(), Remedy::Abort, "{fault}");
    assert!(fault.text.contains(OUTPUT.name()), "{fault}");
}

#[test]
fn a_topic_that_is_forbidden_ends_the_stage() {
    let fault =
        transacted(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap().unwrap_err();
    assert!(fault.is_access_denied() && fault.remedy() == Remedy::Rebuild, "{fault}");
    assert!(fault.text.contains(OUTPUT.name()), "{fault}");
    assert!(denied(RDKafkaErrorCode::UnknownTopicOrPartition, "").is_none());
}

/// Aborts a transaction of one record as soon as `enough` says so of its attempt; the record's leader isn't the coordinator.
fn aborted(leader_is_up: bool, enough: fn(&Attempt) -> bool) -> (Output, Outcome) {
    let host = client::mock_host_of(2).unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    let mut config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    config.delivery = Delivery::Transactional;
    let id = crate::driver::transactional_id(&config, "tapeline.desk");
    cluster.coordinator(MockCoordinator::Transaction(id), 1).unwrap();
    cluster.create_topic(OUTPUT.name(), 1, 1).unwrap();
    cluster.partition_leader(OUTPUT.name(), 0, Some(2)).unwrap();
    let consumer = client::work_consumer(&config, "tapeline.desk").unwrap();
    let mut output = Output::make(&config, "tapeline.desk", Wake::default()).unwrap().unwrap();
    if !leader_is_up {
        cluster.broker_down(2).unwrap();
    }
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let acknowledged = Arc::clone(&output.acknowledged);
    let mut give_up = move |step| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while step == TransactionStep::Sent && !enough(&lock(&acknowledged)) {
            assert!(Instant::now() < deadline, "nothing became of the record");
            thread::yield_now();
        }
        step == TransactionStep::Sent
    };
    let positions = TopicPartitionList::new();
    let fault =
        output.transact([&record].into_iter(), &positions, &consumer, &mut give_up).unwrap().unwrap_err();
    let outcome = output.abort(fault).unwrap();
    if matches!(outcome, Outcome::AbortedInDoubt(_)) {
        output.renew(&config, "tapeline.desk", Wake::default()).unwrap().unwrap();
    }
    (output, outcome)
}

#[test]
fn an_abort_with_outputs_that_were_never_acknowledged_renews_the_producer() {
    let (output, outcome) = aborted(false, |_| true);
    assert!(matches!(outcome, Outcome::AbortedInDoubt(_)), "{outcome:?}");
    let attempt = lock(&output.acknowledged);
    assert_eq!((attempt.number, attempt.in_doubt, output.aborts_in_a_row), (0, 0, 1));
}

#[test]
fn an_abort_after_every_acknowledgement_keeps_the_producer() {
    let (output, outcome) = aborted(true, |attempt| attempt.outstanding == 0);
    assert!(matches!(outcome, Outcome::Aborted(_)), "{outcome:?}");
    assert_eq!(lock(&output.acknowledged).number, 1);
}
