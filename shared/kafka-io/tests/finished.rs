//! What is finished beyond the committed offset goes with it, and isn't done again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Mock, PATIENCE, Running, eventually};
use contracts::Topic;
use kafka_io::KafkaConfig;
use pipeline::Stop;

const GROUP: &str = "tapeline.desk";

#[test]
fn a_restart_repeats_nothing_that_was_finished() {
    let mock = Mock::start();
    let config = KafkaConfig { drain_budget_ms: 300, ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]).ready();
    let orders: Vec<String> = (0..40).map(|n| format!("hold {n:02}")).collect();
    let records: Vec<(i32, &str)> = orders.iter().map(|order| (5, order.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
    let work: Vec<_> = (0..40).map(|_| running.work.recv_timeout(PATIENCE).unwrap()).collect();
    for (n, done) in work.iter().enumerate().filter(|(n, _)| n % 3 == 1) {
        running.completions.send(done.clone()).unwrap();
        eventually("it is emitted", || running.counts.seen().counts.emitted >= u64::try_from(n / 3).unwrap());
    }
    assert_eq!(running.stop(), Stop::DrainTimedOut { held: 27 });
    let running = Running::start(&config, GROUP, &[]).ready();
    for _ in 0..27 {
        let done = running.work.recv_timeout(PATIENCE).unwrap();
        assert!(done.0.offset % 3 != 1, "{} comes again", done.1);
        running.completions.send(done).unwrap();
    }
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised)[5] == Some(40));
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = mock.texts(Topic::VectorComputed);
    texts.sort();
    assert_eq!(texts, orders);
}

#[test]
fn a_stranger_s_word_beside_an_offset_is_passed_over_and_the_offset_counts() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(2, "emit 1"), (2, "emit 2")]);
    mock.commit_with(GROUP, Topic::AlertRaised, 2, 1, "moved by hand");
    let running = Running::start(&mock.config, GROUP, &[]);
    eventually("the rest is emitted", || mock.committed(GROUP, Topic::AlertRaised)[2] == Some(2));
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 2"]);
}
