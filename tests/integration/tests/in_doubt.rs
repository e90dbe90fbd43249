//! Outputs in doubt on real Kafka: they were written, their acknowledgement was lost, and their transaction was aborted. The next
//! transaction writes them again, and the broker must not treat them as duplicates (ADR 066).
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod kafka_proxy;
mod stage;

use integration::{free_port, real_parts_missing, wait_until};
use kafka_io::{ClusterQuery, Hooks, TransactionStep};
use kafka_proxy::KafkaProxy;
use pipeline::Stop;
use stage::{Cluster, IN, OUT, Running, TIMEOUT, eventually, orders};

#[test]
fn outputs_in_doubt_of_an_aborted_transaction_are_exactly_once() {
    if real_parts_missing() {
        return;
    }
    let port = free_port().unwrap();
    let cluster = Cluster::through_proxy(port);
    let proxy = KafkaProxy::start(port, cluster.broker.port());
    let cluster = cluster.with_topics();
    let orders = orders("emit", 0, 40);
    cluster.write(IN, &orders);

    let written = |query: &ClusterQuery| query.watermarks(OUT).unwrap().iter().any(|ends| ends.high > 0);
    let query = ClusterQuery::new(&cluster.config).unwrap();
    let (mut started, broken) = (0, proxy.clone());
    // The first transaction is aborted once the broker has its outputs without the client's knowledge; the second one is not
    // disturbed.
    let abort = Box::new(move |step| {
        started += u32::from(step == TransactionStep::Begun);
        match (step, started) {
            (TransactionStep::Begun, _) => broken.lose_acknowledgements(started == 1),
            (TransactionStep::Sent, 1) => {
                assert!(wait_until(TIMEOUT, || written(&query)), "the outputs did not reach the broker");
            }
            _ => {}
        }
        (step, started) == (TransactionStep::Sent, 1)
    });
    let hooks = Hooks { abort, ..Hooks::default() };
    let running = Running::start_as(&cluster.config, "tapeline.test", IN, hooks, |_| {});
    eventually("all records are emitted", || running.emitted() == 40 || running.thread.is_finished());
    let violations = running.counts.latest().violations;
    assert_eq!((running.stop(), violations), (Stop::Drained, 0));
    let mut texts = cluster.texts(OUT);
    texts.sort();
    assert!(texts.iter().eq(orders.iter().map(|(_, text)| text)), "{} outputs of 40", texts.len());
}
