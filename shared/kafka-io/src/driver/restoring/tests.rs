//! The stall watchdog and the slots of a restoration, on a mocked broker.

use pipeline::{CompletedRanges, InputPartition, Now};
use rdkafka::producer::{BaseRecord, Producer};

use super::*;
use crate::client;
use crate::driver::inert_stage::InertStage;

const TOPIC: Topic = Topic::BatchRequested;
const TIMEOUT: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_secs(30);
const NOW: Now = Now { monotonic: Duration::ZERO, wall_micros: 0 };

#[test]
fn unfetched_outputs_stall_a_restoration() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 1, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    host.send(BaseRecord::to(TOPIC.name()).partition(0).key("k").payload("request")).unwrap();
    host.flush(TIMEOUT).unwrap();
    let (consumer, ends) = (
        client::follower(&config, "test", LogContext::default()).unwrap(),
        client::topic_query_client(&config).unwrap(),
    );
    let restores = vec![Restore { topic: TOPIC, back: PERIOD }];
    let mut restoring = Restoring::new(&consumer, &ends, restores, "tapeline.test", &config).unwrap();
    let input = InputPartition { topic: 0, partition: 0 };
    restoring.begin(vec![Start { input, position: 0, completed: CompletedRanges::default() }]);
    assert!(restoring.set_target(NOW));
    restoring.assign_next(false).unwrap();
    // The client no longer fetches this partition.
    consumer.pause(&one(TOPIC, 0, Offset::Invalid)).unwrap();
    let mut stalls = Vec::new();
    for second in (0..120).map(Duration::from_secs) {
        assert_eq!(restoring.read(&mut InertStage, NOW).unwrap().records, 0);
        stalls.extend(restoring.check_stall(|| second));
    }
    let first = stalls.first().expect("a stall");
    assert_eq!((first.partition, first.stable), ((TOPIC, 0), 1));
    assert!((PERIOD..PERIOD * 2).contains(&first.unmoved), "{first:?}");
    consumer.resume(&one(TOPIC, 0, Offset::Invalid)).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while !restoring.is_idle() {
        assert!(Instant::now() < deadline, "not restored within {TIMEOUT:?}");
        restoring.read(&mut InertStage, NOW).unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(restoring.check_stall(|| Duration::from_secs(300)).is_none());
}

#[test]
fn outputs_are_restored_two_at_once() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 6, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    for partition in 0..6 {
        host.send(BaseRecord::to(TOPIC.name()).partition(partition).key("k").payload("request")).unwrap();
    }
    host.flush(TIMEOUT).unwrap();
    let (consumer, ends) = (
        client::follower(&config, "test", LogContext::default()).unwrap(),
        client::topic_query_client(&config).unwrap(),
    );
    let restores = vec![Restore { topic: TOPIC, back: PERIOD }];
    let mut restoring = Restoring::new(&consumer, &ends, restores, "tapeline.test", &config).unwrap();
    restoring.slots = Slots::new(2);
    restoring.slots.idle = TIMEOUT;
    let inputs = (0..6).map(|partition| InputPartition { topic: 0, partition });
    let start = |input| Start { input, position: 0, completed: CompletedRanges::default() };
    restoring.begin(inputs.clone().map(start).collect());
    let reading = |restoring: &Restoring<'_>| -> Vec<i32> {
        let is_read = |restore: &PartitionRestore| restore.outputs.values().any(OutputPartition::is_fetched);
        restoring
            .partitions
            .iter()
            .filter(|(_, restore)| is_read(restore))
            .map(|(number, _)| *number)
            .collect()
    };
    while restoring.set_target(NOW) {}
    restoring.assign_next(false).unwrap();
    assert_eq!(reading(&restoring), [0, 1]);
    // A revoked partition frees its slot.
    restoring.cancel(&inputs.take(1).collect()).unwrap();
    restoring.assign_next(false).unwrap();
    assert_eq!(reading(&restoring), [1, 2]);
    let (deadline, mut records) = (Instant::now() + TIMEOUT, 0);
    while !restoring.is_idle() {
        assert!(Instant::now() < deadline, "not restored within {TIMEOUT:?}");
        records += restoring.read(&mut InertStage, NOW).unwrap().records;
        assert!(reading(&restoring).len() <= 2, "{:?} are read at once", reading(&restoring));
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(records, 5);
}
