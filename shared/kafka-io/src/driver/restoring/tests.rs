//! Outputs that come no more, on a mocked broker.

use pipeline::{CompletedRanges, InputPartition, Now};
use rdkafka::producer::{BaseRecord, Producer};

use super::*;
use crate::client;
use crate::driver::idle::Idle;

const TOPIC: Topic = Topic::BatchRequested;
const PERIOD: Duration = Duration::from_secs(30);
const NOW: Now = Now { monotonic: Duration::ZERO, wall_micros: 0 };

#[test]
fn outputs_that_are_not_fetched_while_a_partition_is_restored_are_a_stall() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 1, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    host.send(BaseRecord::to(TOPIC.name()).partition(0).key("k").payload("request")).unwrap();
    host.flush(Duration::from_secs(20)).unwrap();
    let (consumer, ends) =
        (client::follower(&config, "desk").unwrap(), client::topic_query_client(&config).unwrap());
    let restores = vec![Restore { topic: TOPIC, back: PERIOD }];
    let mut restoring = Restoring::new(&consumer, &ends, restores, "tapeline.desk", &config).unwrap();
    let input = InputPartition { topic: 0, partition: 0 };
    restoring.begin(vec![Start { input, position: 0, completed: CompletedRanges::default() }]);
    assert!(restoring.aim(NOW).unwrap());
    // As a client that asks the broker for this partition no more.
    consumer.pause(&one(TOPIC, 0, Offset::Invalid)).unwrap();
    let mut stalls = Vec::new();
    for second in (0..120).map(Duration::from_secs) {
        assert_eq!(restoring.read(&mut Idle, NOW).unwrap().records, 0);
        stalls.extend(restoring.watch(|| second));
    }
    let first = stalls.first().expect("it is found");
    assert_eq!((first.place, first.stable), ((TOPIC, 0), 1));
    assert!((PERIOD..PERIOD * 2).contains(&first.silent), "{first:?}");
    consumer.resume(&one(TOPIC, 0, Offset::Invalid)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !restoring.is_idle() {
        assert!(Instant::now() < deadline, "it isn't restored");
        restoring.read(&mut Idle, NOW).unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(restoring.watch(|| Duration::from_secs(300)).is_none());
}
