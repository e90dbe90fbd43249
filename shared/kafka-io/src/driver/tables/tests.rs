//! A table that comes no more, on a mocked broker.

use rdkafka::producer::{BaseRecord, Producer};

use super::*;
use crate::client;
use crate::driver::idle::Idle;

const TOPIC: Topic = Topic::BarClosed;
const PATIENCE: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_secs(30);

#[test]
fn a_table_whose_records_wait_and_are_not_fetched_is_a_stall_and_a_quiet_one_is_none() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 2, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    let write = |partition| {
        host.send(BaseRecord::to(TOPIC.name()).partition(partition).key("k").payload("bar")).unwrap();
        host.flush(PATIENCE).unwrap();
    };
    write(0);
    write(1);
    let (consumer, ends) =
        (client::follower(&config, "desk").unwrap(), client::topic_query_client(&config).unwrap());
    let mut tables =
        Tables::new(&consumer, &ends, Progress::new("tapeline.desk", "tables"), &config).unwrap();
    tables.follow(&BTreeSet::from([(TOPIC, 0), (TOPIC, 1)]), &mut Share(&mut Idle)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !tables.are_loaded() {
        assert!(Instant::now() < deadline, "the table isn't loaded");
        tables.read(&mut Share(&mut Idle)).unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // As a client that asks the broker for this partition no more.
    let mut mute = TopicPartitionList::new();
    mute.add_partition(TOPIC.name(), 1);
    consumer.pause(&mute).unwrap();
    write(1);
    let mut stalls = Vec::new();
    for second in (0..120).map(Duration::from_secs) {
        tables.read(&mut Share(&mut Idle)).unwrap();
        stalls.extend(tables.watch(|| second));
    }
    let first = stalls.first().expect("it is found");
    assert_eq!((first.place, first.stable), ((TOPIC, 1), 2));
    assert!((PERIOD..PERIOD * 2).contains(&first.silent), "{first:?}");
    assert!(stalls.iter().all(|stall| stall.place == (TOPIC, 1)), "{stalls:?}");
}
