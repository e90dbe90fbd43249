//! Completed ranges in the commit metadata: records completed after the committed offset are not repeated.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use common::{Mock, Running, TIMEOUT, eventually};
use contracts::Topic;
use kafka_io::KafkaConfig;
use pipeline::Stop;

const GROUP: &str = "tapeline.test";

#[test]
fn restart_skips_completed_ranges() {
    let mock = Mock::start();
    let config = KafkaConfig { drain_budget_ms: 300.into(), ..mock.config.clone() };
    let running = Running::start(&config, GROUP, &[]).ready();
    let commands: Vec<String> = (0..40).map(|n| format!("hold {n:02}")).collect();
    let records: Vec<(i32, &str)> = commands.iter().map(|command| (5, command.as_str())).collect();
    mock.write(Topic::AlertRaised, &records);
    let work: Vec<_> = (0..40).map(|_| running.work.recv_timeout(TIMEOUT).unwrap()).collect();
    for (n, done) in work.iter().enumerate().filter(|(n, _)| n % 3 == 1) {
        running.completions.send(done.clone()).unwrap();
        eventually("the record is emitted", || {
            running.counts.latest().counts.emitted >= u64::try_from(n / 3).unwrap()
        });
    }
    assert_eq!(running.stop(), Stop::DrainTimedOut { held: 27 });
    let running = Running::start(&config, GROUP, &[]).ready();
    for _ in 0..27 {
        let done = running.work.recv_timeout(TIMEOUT).unwrap();
        assert!(done.0.offset % 3 != 1, "{} is repeated", done.1);
        running.completions.send(done).unwrap();
    }
    eventually("all is committed", || mock.committed(GROUP, Topic::AlertRaised)[5] == Some(40));
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = mock.texts(Topic::VectorComputed);
    texts.sort();
    assert_eq!(texts, commands);
}

#[test]
fn unrecognized_commit_metadata_is_ignored() {
    let mock = Mock::start();
    mock.write(Topic::AlertRaised, &[(2, "emit 1"), (2, "emit 2")]);
    mock.commit_with(GROUP, Topic::AlertRaised, 2, 1, "moved by hand");
    let running = Running::start(&mock.config, GROUP, &[]);
    eventually("the rest is emitted", || mock.committed(GROUP, Topic::AlertRaised)[2] == Some(2));
    assert_eq!(running.stop(), Stop::Drained);
    assert_eq!(mock.texts(Topic::VectorComputed), ["emit 2"]);
}
