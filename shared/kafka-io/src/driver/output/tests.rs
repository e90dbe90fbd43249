//! A transaction whose outputs the client refuses, on a mocked broker.

use contracts::Topic;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use super::*;

const OUTPUT: Topic = Topic::VectorComputed;

/// Transacts one record, again and again, while the broker says this of its topic: what the driver is told when it is the
/// client that refuses, as it does once it has heard of it.
fn transacted(answer: RDKafkaRespErr) -> Result<Result<(), CallFault>, DriverError> {
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
            Err(fault) if lock(&output.acknowledged).failure.is_some() => return Ok(Err(fault)),
            Err(fault) => drop(output.abort(fault)?),
            Ok(()) => return Ok(Ok(())),
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
    assert!(fault.is_refusal() && fault.remedy() == Remedy::Rebuild, "{fault}");
    assert!(fault.text.contains(OUTPUT.name()), "{fault}");
    assert!(denied(RDKafkaErrorCode::UnknownTopicOrPartition, "").is_none());
}
