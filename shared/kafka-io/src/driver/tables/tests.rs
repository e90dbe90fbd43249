//! The stall watchdog and the slots of tables, on a mocked broker.

use rdkafka::producer::{BaseRecord, Producer};

use super::*;
use crate::client;
use crate::driver::inert_stage::InertStage;

const TOPIC: Topic = Topic::BarClosed;
const TIMEOUT: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_secs(30);
const NOW: Now = Now { monotonic: Duration::ZERO, wall_micros: 0 };

/// Starts a broker with a topic of this many partitions of 50 records, and passes a table that reads two of them at once.
fn with_two_slots(partitions: i32, test: impl FnOnce(&mut Tables<'_>, &BTreeSet<TopicPartition>)) {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), partitions, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    let all: BTreeSet<TopicPartition> = (0..partitions).map(|number| (TOPIC, number)).collect();
    for (topic, number) in &all {
        for _ in 0..50 {
            host.send(BaseRecord::to(topic.name()).partition(*number).key("k").payload("bar")).unwrap();
        }
    }
    host.flush(TIMEOUT).unwrap();
    let (consumer, ends) = (
        client::follower(&config, "test", LogContext::default()).unwrap(),
        client::topic_query_client(&config).unwrap(),
    );
    let scope = TableScope::CoPartitioned;
    let mut tables = Tables::new(scope, &consumer, &ends, "tapeline.test", &config).unwrap();
    tables.slots = Slots::new(2);
    test(&mut tables, &all);
}

fn numbers(tables: &Tables<'_>, wanted: impl Fn(&Followed) -> bool) -> Vec<i32> {
    tables.followed.iter().filter(|(_, followed)| wanted(followed)).map(|((_, number), _)| *number).collect()
}

fn read_until<'c>(tables: &mut Tables<'c>, done: impl Fn(&Tables<'c>) -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !done(tables) {
        assert!(
            Instant::now() < deadline,
            "only {:?} loaded within {TIMEOUT:?}",
            numbers(tables, |f| f.loaded)
        );
        tables.read(&mut InertStage).unwrap();
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn all_partitions_load_with_at_most_two_at_once() {
    with_two_slots(7, |tables, all| {
        tables.slots.idle = TIMEOUT;
        tables.follow(all, &mut InertStage, NOW).unwrap();
        read_until(tables, |tables| {
            let reading = numbers(tables, |followed| followed.assigned && !followed.loaded);
            assert!(reading.len() <= 2, "{reading:?} are read at once");
            let assigned = tables.consumer.assignment().unwrap().count();
            assert_eq!(assigned, numbers(tables, |followed| followed.assigned).len());
            tables.are_loaded()
        });
        assert!(tables.followed.values().all(|followed| followed.records == 50));
    });
}

#[test]
fn partitions_without_records_do_not_block_the_others() {
    with_two_slots(5, |tables, all| {
        tables.slots.idle = Duration::from_millis(100);
        tables.follow(all, &mut InertStage, NOW).unwrap();
        let stalled = [(TOPIC, 0), (TOPIC, 1)];
        tables.consumer.pause(&list(stalled.into_iter(), Offset::Invalid)).unwrap();
        read_until(tables, |tables| tables.loading() == 2);
        assert_eq!(numbers(tables, |followed| followed.loaded), [2, 3, 4]);
    });
}

#[test]
fn removed_partition_frees_its_slot() {
    with_two_slots(4, |tables, all| {
        tables.slots.idle = TIMEOUT;
        tables.follow(all, &mut InertStage, NOW).unwrap();
        assert_eq!(numbers(tables, |followed| followed.assigned), [0, 1]);
        tables
            .follow(&all.iter().copied().filter(|(_, number)| *number > 0).collect(), &mut InertStage, NOW)
            .unwrap();
        assert_eq!(numbers(tables, |followed| followed.assigned), [1, 2]);
        read_until(tables, Tables::are_loaded);
    });
}

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
    let (consumer, ends) = (
        client::follower(&config, "test", LogContext::default()).unwrap(),
        client::topic_query_client(&config).unwrap(),
    );
    let mut tables =
        Tables::new(TableScope::CoPartitioned, &consumer, &ends, "tapeline.test", &config).unwrap();
    tables.follow(&BTreeSet::from([(TOPIC, 0), (TOPIC, 1)]), &mut InertStage, NOW).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while !tables.are_loaded() {
        assert!(Instant::now() < deadline, "table not loaded within {TIMEOUT:?}");
        tables.read(&mut InertStage).unwrap();
        std::thread::park_timeout(Duration::from_millis(5));
    }
    // The client no longer fetches this partition.
    consumer.pause(&list([(TOPIC, 1)].into_iter(), Offset::Invalid)).unwrap();
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
