//! The delivery engine on real Kafka with transactions: aborts at every step, rebalances by the brokers, restore, restart. Readers
//! of committed records read each output once.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod stage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use integration::real_parts_missing;
use kafka_io::{GroupProtocol, Hooks, KafkaConfig, Restore, TransactionStep};
use pipeline::Stop;
use stage::{Cluster, IN, OUT, PARTITIONS, Running, TIMEOUT, eventually, orders};

const GROUP: &str = "tapeline.test";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// Timeout after which Kafka's own consumer assumes the end of the topic, milliseconds: it has to join a group first.
const READ_TIMEOUT_MS: &str = "15000";

/// Asserts that each of these texts is once in the committed output, each partition in order.
fn assert_each_once(cluster: &Cluster, orders: &[(i32, String)]) {
    let mut expected: Vec<&(i32, String)> = orders.iter().collect();
    expected.sort_by_key(|(partition, _)| *partition);
    let expected: Vec<&str> = expected.iter().map(|(_, text)| text.as_str()).collect();
    let found = cluster.texts(OUT);
    let mut times = BTreeMap::new();
    for text in &found {
        *times.entry(text.as_str()).or_insert(0) += 1;
    }
    let lost: Vec<&&str> = expected.iter().filter(|text| !times.contains_key(**text)).collect();
    let doubled: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
    assert_eq!(found, expected, "out of order");
}

fn all_ends_committed(cluster: &Cluster) -> bool {
    cluster.committed(GROUP).into_iter().zip(cluster.ends(IN)).all(|(at, end)| at == Some(end))
}

#[test]
fn abort_at_every_step_causes_no_loss_or_duplicates() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    let aborted = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let (counted, mut started) = (Arc::clone(&aborted), 0_usize);
    // Of four transactions the first is aborted when it is open, the second with its outputs, the third before its commit.
    let abort = Box::new(move |step| {
        started += usize::from(step == TransactionStep::Begun);
        let at = match step {
            TransactionStep::Begun => 0,
            TransactionStep::Sent => 1,
            TransactionStep::OffsetsSent => 2,
        };
        let aborts = started % 4 == at;
        counted[at].fetch_add(usize::from(aborts), Ordering::Relaxed);
        aborts
    });
    let config = KafkaConfig { linger_ms: 0.into(), ..cluster.config.clone() };
    let hooks = Hooks { abort, ..Hooks::default() };
    let running = Running::start_as(&config, GROUP, IN, hooks, |_| {}).ready();
    let orders = orders("emit", 0, 2_000);
    for (some, emitted) in orders.chunks(100).zip((100..).step_by(100)) {
        cluster.write(IN, some);
        eventually("every record is emitted", || running.emitted() == emitted);
    }
    eventually("all records are committed", || all_ends_committed(&cluster));
    let violations = running.counts.latest().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
    let aborted: Vec<usize> = aborted.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(aborted.iter().all(|count| *count >= 19), "{aborted:?}");
    assert_each_once(&cluster, &orders);
    // Each output has one offset; an aborted copy has another one, and so has the marker of each transaction.
    let offsets: i64 = cluster.ends(OUT).iter().sum();
    assert!(offsets > 3_000, "{offsets} offsets: no produced output was aborted");
    assert_kafkas_consumer_hides_aborted_records(&cluster, &orders);
}

/// Asserts that only readers of uncommitted records read the aborted copies.
fn assert_kafkas_consumer_hides_aborted_records(cluster: &Cluster, orders: &[(i32, String)]) {
    let read = |isolation| {
        let from = ["--topic", OUT.name(), "--from-beginning", "--timeout-ms", READ_TIMEOUT_MS];
        let printed = cluster
            .broker
            .tool(CONSOLE_CONSUMER, &[&from[..], &["--isolation-level", isolation]].concat())
            .unwrap();
        // In addition to the records it prints its timeout.
        let is_record = |line: &&str| line.starts_with("emit ");
        let mut texts: Vec<String> = printed.lines().filter(is_record).map(str::to_owned).collect();
        texts.sort();
        texts
    };
    let (committed, mut uncommitted) = std::thread::scope(|scope| {
        let committed = scope.spawn(|| read("read_committed"));
        let uncommitted = scope.spawn(|| read("read_uncommitted"));
        (committed.join().unwrap(), uncommitted.join().unwrap())
    });
    assert!(committed.iter().eq(orders.iter().map(|(_, text)| text)), "{} committed", committed.len());
    let all = uncommitted.len();
    uncommitted.dedup();
    assert!(all > committed.len() && uncommitted == committed, "{all} with the aborted ones");
}

#[test]
fn partitions_move_under_load_with_the_consumer_protocol() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    moves_under_load(&cluster, GroupProtocol::Consumer);
}

#[test]
fn partitions_move_under_load_with_the_classic_protocol() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    moves_under_load(&cluster, GroupProtocol::Classic);
}

/// A second instance joins under load, and the first one leaves.
fn moves_under_load(cluster: &Cluster, protocol: GroupProtocol) {
    let config = |ordinal| KafkaConfig { group_protocol: Some(protocol), ordinal, ..cluster.config.clone() };
    let first = Running::start(&config(0), GROUP).ready();
    let mut written = Vec::new();
    let mut write = || {
        let from = i32::try_from(written.len()).unwrap();
        let some = orders("emit", from, from + 40);
        cluster.write(IN, &some);
        written.extend(some);
    };
    eventually("the first has all partitions", || first.partitions() == 4);
    let second = Running::start(&config(1), GROUP);
    eventually("both share the partitions", || {
        write();
        first.partitions() == 2 && second.partitions() == 2
    });
    for _ in 0..20 {
        write();
    }
    let violations = first.counts.latest().violations;
    first.shutdown.request();
    eventually("the first has left", || {
        write();
        first.thread.is_finished()
    });
    assert_eq!((first.stop(), violations), (Stop::Drained, 0));
    eventually("the second has all partitions", || {
        write();
        second.partitions() == 4
    });
    write();
    eventually("all records are committed", || all_ends_committed(cluster));
    let violations = second.counts.latest().violations;
    assert_eq!((second.stop(), violations), (Stop::Drained, 0));
    assert_each_once(cluster, &written);
}

#[test]
fn completed_ranges_are_committed_and_not_processed_again() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    let running = Running::start(&cluster.config, GROUP).ready();
    let orders: Vec<(i32, String)> = (0..30).map(|n| (1, format!("hold {n:06}"))).collect();
    cluster.write(IN, &orders);
    let work: Vec<_> = (0..30).map(|_| running.work.recv_timeout(TIMEOUT).unwrap()).collect();
    for done in work.iter().filter(|(id, _)| id.offset % 3 == 1) {
        running.completions.send(done.clone()).unwrap();
    }
    eventually("ten are emitted", || running.emitted() == 10);
    assert_eq!(running.stop(), Stop::DrainTimedOut { held: 20 });
    let running = Running::start(&cluster.config, GROUP).ready();
    for _ in 0..20 {
        let done = running.work.recv_timeout(TIMEOUT).unwrap();
        assert_ne!(done.0.offset % 3, 1, "{} is redelivered", done.1);
        running.completions.send(done).unwrap();
    }
    eventually("all records are committed", || cluster.committed(GROUP)[1] == Some(30));
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = cluster.texts(OUT);
    texts.sort();
    assert!(texts.iter().eq(orders.iter().map(|(_, text)| text)), "{texts:?}");
}

#[test]
fn partition_is_restored_from_committed_outputs_only() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    // Aborted copies and markers are between the outputs of the first owner.
    let mut transactions = 0;
    let abort = Box::new(move |step| {
        transactions += u32::from(step == TransactionStep::OffsetsSent);
        step == TransactionStep::OffsetsSent && transactions % 2 == 1
    });
    let hooks = Hooks { abort, ..Hooks::default() };
    let first = Running::start_as(&cluster.config, GROUP, IN, hooks, |_| {}).ready();
    cluster.write(IN, &orders("emit", 0, 400));
    eventually("all records are emitted", || first.emitted() == 400);
    assert_eq!(first.stop(), Stop::Drained);
    let back = Duration::from_secs(600);
    let restoring = |stage: &mut stage::TestStage| stage.restores = vec![Restore { topic: OUT, back }];
    let second = Running::start_as(&cluster.config, GROUP, IN, Hooks::default(), restoring);
    cluster.write(IN, &(0..PARTITIONS).map(|p| (p, format!("count {p}"))).collect::<Vec<_>>());
    eventually("all records are emitted", || second.emitted() == 4);
    assert_eq!(second.stop(), Stop::Drained);
    let counts: Vec<String> =
        cluster.texts(OUT).into_iter().filter(|text| text.starts_with("count")).collect();
    assert_eq!(counts, ["count 0: 100", "count 1: 100", "count 2: 100", "count 3: 100"]);
    // Outputs older than the period of restoration are not read.
    let nothing =
        |stage: &mut stage::TestStage| stage.restores = vec![Restore { topic: OUT, back: Duration::ZERO }];
    let third = Running::start_as(&cluster.config, GROUP, IN, Hooks::default(), nothing);
    cluster.write(IN, &[(0, "count young".to_owned())]);
    eventually("it is emitted", || third.emitted() == 1);
    assert_eq!(third.stop(), Stop::Drained);
    assert!(cluster.texts(OUT).contains(&"count young: 0".to_owned()));
}
