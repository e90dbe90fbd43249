//! A client that stops fetching is found and made anew; an idle one is left alone. On real Kafka.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod desk;
mod mute;

use std::time::{Duration, Instant};

use contracts::Topic;
use desk::{Cluster, IN, OUT, Running, eventually, orders};
use integration::{free_port, real_parts_missing};
use kafka_io::{Hooks, KafkaConfig};
use mute::Mute;
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";
const WATCHDOG_MS: u32 = 1_500;

fn config(cluster: &Cluster) -> KafkaConfig {
    KafkaConfig { watchdog_ms: WATCHDOG_MS.into(), ..cluster.config.clone() }
}

#[test]
fn a_consumer_that_stops_fetching_is_found_and_made_anew_and_nothing_is_lost_or_doubled() {
    if real_parts_missing() {
        return;
    }
    let port = free_port().unwrap();
    let cluster = Cluster::behind(port);
    let mute = Mute::start(port, cluster.broker.port());
    let cluster = cluster.with_topics();
    let running = Running::start(&config(&cluster), GROUP).ready();
    let orders = orders("emit", 0, 400);
    cluster.write(IN, &orders[..200]);
    eventually("the first half is emitted", || running.emitted() == 200);

    let swallowed = mute.swallow_fetches();
    eventually("the client waits for an answer", || swallowed() > 0);
    let begun = Instant::now();
    cluster.write(IN, &orders[200..]);
    // The clients that are made anew come over new connections, which are left alone.
    eventually("it is ready no more", || !running.counts.latest().ready);
    let found = begun.elapsed();
    eventually("the second half is emitted", || running.emitted() == 400);
    // A quarter of the period to look again, and a turn or two; a request is given up by the client itself after a minute.
    assert!(found < Duration::from_millis(u64::from(WATCHDOG_MS) * 4), "found after {found:?}");
    eventually("it is ready again", || running.counts.latest().ready);
    let seen = running.counts.latest();
    assert_eq!((seen.stalls, seen.violations), (1, 0));
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = cluster.texts(OUT);
    texts.sort();
    assert!(texts.iter().eq(orders.iter().map(|(_, text)| text)), "{} outputs", texts.len());
}

#[test]
fn an_idle_stage_on_a_transactional_topic_is_left_alone() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    // The first stage fills the second one's input with transactions, so that it ends with their markers.
    let first = Running::start_as(
        &cluster.config,
        "tapeline.first",
        Topic::SymbolProposed,
        Hooks::default(),
        |desk| {
            desk.output = IN;
        },
    );
    cluster.write(Topic::SymbolProposed, &orders("emit", 0, 40));
    let second = Running::start(&config(&cluster), GROUP);
    eventually("all has passed", || first.emitted() == 40 && second.emitted() == 40);
    assert_eq!(first.stop(), Stop::Drained);
    eventually("it stands behind the markers", || {
        cluster.committed(GROUP).into_iter().zip(cluster.ends(IN)).all(|(at, end)| at == Some(end))
    });
    std::thread::park_timeout(Duration::from_millis(u64::from(10 * WATCHDOG_MS)));
    let seen = second.counts.latest();
    assert_eq!((seen.stalls, seen.ready, seen.blocked), (0, true, 0));
    assert_eq!(second.stop(), Stop::Drained);
}
