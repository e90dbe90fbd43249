//! The stall watchdog on real Kafka: a client that stops fetching is recreated, and an idle one is not.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod kafka_proxy;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contracts::Topic;
use integration::{free_port, real_parts_missing, wait_until};
use kafka_io::{Hooks, KafkaConfig, TransactionStep};
use kafka_proxy::KafkaProxy;
use pipeline::Stop;
use stage::{Cluster, IN, OUT, Running, TIMEOUT, eventually, orders};

const GROUP: &str = "tapeline.test";
const WATCHDOG_MS: u32 = 1_500;

fn config(cluster: &Cluster) -> KafkaConfig {
    KafkaConfig { watchdog_ms: WATCHDOG_MS.into(), ..cluster.config.clone() }
}

#[test]
fn stalled_consumer_is_recreated_without_loss_or_duplicates() {
    if real_parts_missing() {
        return;
    }
    let port = free_port().unwrap();
    let cluster = Cluster::through_proxy(port);
    let proxy = KafkaProxy::start(port, cluster.broker.port());
    let cluster = cluster.with_topics();
    let running = Running::start(&config(&cluster), GROUP).ready();
    let orders = orders("emit", 0, 400);
    cluster.write(IN, &orders[..200]);
    eventually("the first half is emitted", || running.emitted() == 200);

    let dropped = proxy.drop_fetches();
    eventually("a fetch request has no response", || dropped() > 0);
    cluster.write(IN, &orders[200..]);
    // The recreated clients use new connections, whose requests are forwarded.
    eventually("the stage is not ready", || !running.counts.latest().ready);
    eventually("the second half is emitted", || running.emitted() == 400);
    eventually("the stage is ready again", || running.counts.latest().ready);
    // The client's own timeout, a minute after the request, would be no stall.
    let status = running.counts.latest();
    assert_eq!((status.stalls, status.violations), (1, 0));
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = cluster.texts(OUT);
    texts.sort();
    assert!(texts.iter().eq(orders.iter().map(|(_, text)| text)), "{} outputs", texts.len());
}

#[test]
fn idle_stage_on_a_transactional_topic_is_not_stalled() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    // The first stage writes the second one's input in transactions, so that each partition ends with a marker. While `is_held`, its
    // transaction stays open.
    let is_held = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&is_held);
    let abort = Box::new(move |step| {
        if step == TransactionStep::Sent {
            assert!(wait_until(TIMEOUT, || !held.load(Ordering::Acquire)), "the transaction is still held");
        }
        false
    });
    let hooks = Hooks { abort, ..Hooks::default() };
    let first = Running::start_as(&cluster.config, "tapeline.first", Topic::SymbolProposed, hooks, |stage| {
        stage.output = IN;
    });
    cluster.write(Topic::SymbolProposed, &orders("emit", 0, 40));
    let second = Running::start(&config(&cluster), GROUP);
    eventually("all records are emitted", || first.emitted() == 40 && second.emitted() == 40);
    eventually("all markers are committed", || {
        cluster.committed(GROUP).into_iter().zip(cluster.ends(IN)).all(|(at, end)| at == Some(end))
    });
    // Only a check of the watchdog detects the open transaction. Checks are in the order in which they are due, so between two checks
    // of partition 0 there is one of each idle partition.
    for emitted in [41, 42] {
        is_held.store(true, Ordering::Release);
        cluster.write(Topic::SymbolProposed, &[(0, format!("emit {emitted:06}"))]);
        eventually("the watchdog detects the open transaction", || second.counts.latest().blocked == 1);
        let status = second.counts.latest();
        assert_eq!((status.stalls, status.ready), (0, true));
        is_held.store(false, Ordering::Release);
        eventually("the record is emitted", || second.emitted() == emitted);
        eventually("no partition is blocked", || second.counts.latest().blocked == 0);
    }
    assert_eq!(first.stop(), Stop::Drained);
    let stalls = second.counts.latest().stalls;
    assert_eq!((second.stop(), stalls), (Stop::Drained, 0));
}
