//! The stall watchdog of tables, on a mocked broker.

use rdkafka::producer::{BaseRecord, Producer};

use super::*;
use crate::client;
use crate::driver::inert_stage::InertStage;

const TOPIC: Topic = Topic::BarClosed;
const TIMEOUT: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_secs(30);

#[test]
fn only_a_table_partition_with_unfetched_records_stalls() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 2, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    let write = |partition| {
        host.send(BaseRecord::to(TOPIC.name()).partition(partition).key("k").payload("bar")).unwrap();
        host.flush(TIMEOUT).unwrap();
    };
    write(0);
    write(1);
    let (consumer, ends) =
        (client::follower(&config, "test").unwrap(), client::topic_query_client(&config).unwrap());
    let mut tables =
        Tables::new(TableScope::CoPartitioned, &consumer, &ends, "tapeline.test", &config).unwrap();
    tables.follow(&BTreeSet::from([(TOPIC, 0), (TOPIC, 1)]), &mut InertStage).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while !tables.are_loaded() {
        assert!(Instant::now() < deadline, "table not loaded within {TIMEOUT:?}");
        tables.read(&mut InertStage).unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // The client no longer fetches this partition.
    let mut stalled = TopicPartitionList::new();
    stalled.add_partition(TOPIC.name(), 1);
    consumer.pause(&stalled).unwrap();
    write(1);
    let mut stalls = Vec::new();
    for second in (0..120).map(Duration::from_secs) {
        tables.read(&mut InertStage).unwrap();
        stalls.extend(tables.check_stall(|| second));
    }
    let first = stalls.first().expect("a stall");
    assert_eq!((first.partition, first.stable), ((TOPIC, 1), 2));
    assert!((PERIOD..PERIOD * 2).contains(&first.unmoved), "{first:?}");
    assert!(stalls.iter().all(|stall| stall.partition == (TOPIC, 1)), "{stalls:?}");
}
