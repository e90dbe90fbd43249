//! Transactions whose outputs the client rejects or cannot deliver, on mocked brokers.

pub(in crate::driver) mod scripted_broker;

use std::thread;
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCoordinator;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaRespErr;

use super::acknowledgements::{denied, lock};
use super::*;
use crate::call_error::Remedy;
use crate::driver::hooks::TransactionStep;

const OUTPUT: Topic = Topic::VectorComputed;

/// Creates an output, or passes the options of its successor to one.
fn with_options<T>(config: &KafkaConfig, create: impl FnOnce(OutputOptions<'_>) -> T) -> T {
    create_with(config, &mut Producers::default(), create)
}

fn create_with<T>(
    config: &KafkaConfig,
    producers: &mut Producers,
    create: impl FnOnce(OutputOptions<'_>) -> T,
) -> T {
    create(OutputOptions {
        kafka: config,
        group: "tapeline.test",
        wake: Wake::default(),
        monitor: BrokerMonitor::new("test", "test", Box::new(|_| {})),
        hung_clients: HungClients::default(),
        producers,
        beat: &mut || {},
    })
}

fn transactional(output: Output) -> TransactionalOutput {
    match output {
        Output::Transactional(output) => output,
        Output::Plain(_) => panic!("at least once"),
    }
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
    let consumer = client::work_consumer(&config, "tapeline.test", LogContext::default()).unwrap();
    let mut output = transactional(with_options(&config, Output::new).unwrap().unwrap());
    cluster.topic_error(OUTPUT.name(), error).unwrap();
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let positions = TopicPartitionList::new();
    for _ in 0..20 {
        match output.transact(&[&record], &positions, &consumer, &mut Hooks::default())? {
            // The client accepted the record; the next step fails, because this consumer is a member of no group.
            Err(error) if error.code == RDKafkaErrorCode::UnknownMemberId => {
                drop(output.abort(error, &mut || {})?);
            }
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
fn aborted(leader_is_up: bool, is_ready: fn(&Attempt) -> bool) -> (TransactionalOutput, BatchOutcome) {
    let host = client::mock_host_of(2).unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    let mut config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    config.delivery = Delivery::Transactional;
    let id = transactional_id(&config, "tapeline.test");
    cluster.coordinator(MockCoordinator::Transaction(id), 1).unwrap();
    cluster.create_topic(OUTPUT.name(), 1, 1).unwrap();
    cluster.partition_leader(OUTPUT.name(), 0, Some(2)).unwrap();
    let consumer = client::work_consumer(&config, "tapeline.test", LogContext::default()).unwrap();
    let output = transactional(with_options(&config, Output::new).unwrap().unwrap());
    if !leader_is_up {
        cluster.broker_down(2).unwrap();
    }
    let record = OutRecord::new(OUTPUT, 0, "key", b"1".to_vec());
    let acknowledged = Arc::clone(&output.acknowledged);
    let abort = move |step| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while step == TransactionStep::Sent && !is_ready(&lock(&acknowledged)) {
            assert!(Instant::now() < deadline, "the record was neither acknowledged nor failed");
            thread::yield_now();
        }
        step == TransactionStep::Sent
    };
    let positions = TopicPartitionList::new();
    let mut hooks = Hooks { abort: Box::new(abort), ..Hooks::default() };
    let mut output = Output::Transactional(output);
    let outcome = output.transact(&[&record], &positions, &consumer, &mut hooks).unwrap();
    if matches!(outcome, BatchOutcome::AbortedInDoubt(_)) {
        with_options(&config, |options| output.recreate(options)).unwrap().unwrap();
    }
    (transactional(output), outcome)
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

#[test]
fn replaced_producer_that_is_not_destroyed_is_abandoned() {
    let broker = Arc::new(scripted_broker::ScriptedBroker::default());
    let _hanging = broker.hang("1 destroy");
    let config = KafkaConfig { delivery: Delivery::Transactional, ..KafkaConfig::embedded("127.0.0.1:9") };
    let mut producers = broker.producers();
    let mut output = create_with(&config, &mut producers, Output::new).unwrap().unwrap();
    let error =
        create_with(&config, &mut producers, |options| output.recreate(options)).unwrap().unwrap_err();
    assert!(error.abandoned && error.text.contains("destroy of client 1"), "{error}");
    assert_eq!(*broker.steps.lock().unwrap(), ["1 init", "2 init"]);
}
