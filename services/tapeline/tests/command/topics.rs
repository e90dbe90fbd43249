//! `tapeline topics` at addresses where it cannot work.

use contracts::Topic;
use devstack::broker::EmbeddedBroker;

use crate::process::{stderr, tapeline};

#[test]
fn topics_of_the_embedded_broker_exit_with_2_at_once() {
    let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    for command in ["check", "apply"] {
        let output = tapeline(&["topics", command, "--brokers", &broker.bootstrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("not available on the embedded broker"), "{}", stderr(&output));
    }
}

#[test]
fn unreachable_broker_is_named_with_the_cause() {
    let output = tapeline(&["topics", "check", "--brokers", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1:1/bootstrap: "), "{}", stderr(&output));
    assert!(stderr(&output).contains("Connection refused"), "{}", stderr(&output));
}

#[test]
fn invalid_flag_is_the_origin_of_its_error() {
    let output = tapeline(&["topics", "check", "--brokers", "localhost"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("kafka.brokers = localhost (--brokers): "), "{}", stderr(&output));
}
