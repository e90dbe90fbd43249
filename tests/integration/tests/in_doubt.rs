//! Outputs that were written, their acknowledgement lost, their transaction aborted, are written again by the next one, in which the
//! broker must not take them for repetitions (ADR 066). On real Kafka.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod desk;
mod mute;

use desk::{Cluster, IN, OUT, PATIENCE, Running, eventually, orders};
use integration::{free_port, real_parts_missing, wait_until};
use kafka_io::{ClusterQuery, Hooks, TransactionStep};
use mute::Mute;
use pipeline::Stop;

#[test]
fn outputs_in_doubt_when_their_transaction_aborts_are_neither_lost_nor_doubled() {
    if real_parts_missing() {
        return;
    }
    let port = free_port().unwrap();
    let cluster = Cluster::behind(port);
    let proxy = Mute::start(port, cluster.broker.port());
    let cluster = cluster.with_topics();
    let orders = orders("emit", 0, 40);
    cluster.write(IN, &orders);

    let written =
        |inquirer: &ClusterQuery| inquirer.watermarks(OUT).unwrap().iter().any(|ends| ends.high > 0);
    let inquirer = ClusterQuery::new(&cluster.config).unwrap();
    let (mut begun, broken) = (0, proxy.clone());
    // The first transaction is given up once the broker has its outputs and the client doesn't know; the second finds all well.
    let abort = Box::new(move |step| {
        begun += u32::from(step == TransactionStep::Begun);
        match (step, begun) {
            (TransactionStep::Begun, _) => broken.lose_acknowledgements(begun == 1),
            (TransactionStep::Sent, 1) => {
                assert!(wait_until(PATIENCE, || written(&inquirer)), "the outputs never reached the broker");
            }
            _ => {}
        }
        (step, begun) == (TransactionStep::Sent, 1)
    });
    let hooks = Hooks { abort, ..Hooks::default() };
    let running = Running::start_as(&cluster.config, "tapeline.desk", IN, hooks, |_| {});
    eventually("all is emitted", || running.emitted() == 40 || running.thread.is_finished());
    let violations = running.counts.latest().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
    let mut texts = cluster.texts(OUT);
    texts.sort();
    assert!(texts.iter().eq(orders.iter().map(|(_, text)| text)), "{} outputs of 40", texts.len());
}
