//! `tapeline topics` and `schemas` at addresses where they cannot work.

use contracts::Topic;
use devstack::broker::EmbeddedBroker;

use crate::process::{stderr, tapeline};
use crate::simulated_edge::{Behaviour, SimulatedEdge};

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

#[test]
fn address_without_a_registry_is_not_one_without_subjects() {
    let server = SimulatedEdge::start(Behaviour { status: Some(404), ..Behaviour::default() });
    let url = format!("http://{}", server.address);
    let output = tapeline(&["schemas", "check", "--registry", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(stderr(&output).contains(&url) && stderr(&output).contains("404"), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
