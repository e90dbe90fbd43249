//! Tests of the real parts themselves: they start, respond, and keep their data.

use std::time::Duration;

use integration::{Registry, Stack, cluster_metadata, real_parts_missing, request};

const TOPIC_COMMAND: &str = "org.apache.kafka.tools.TopicCommand";

#[test]
fn real_broker_and_registry_keep_topics_and_schemas() {
    if real_parts_missing() {
        return;
    }
    let mut stack = Stack::start().unwrap();

    stack.broker.tool(TOPIC_COMMAND, &["--create", "--topic", "kept", "--partitions", "3"]).unwrap();
    let before = cluster_metadata::fetch(stack.broker.port()).unwrap();
    assert_eq!(before.brokers, [stack.broker.address()]);
    assert!(before.topics.contains(&("kept".to_owned(), 3)), "{before:?}");

    let path = format!("{}/subjects/kept-value/versions", Registry::API);
    let posted = request(stack.registry.port(), "POST", &path, r#"{"schema":"\"long\""}"#).unwrap();
    assert_eq!(posted.status, 200, "{}", posted.body);
    let id = posted.body.trim_start_matches("{\"id\":").trim_end_matches('}').to_owned();
    let path = format!("{}/schemas/ids/{id}", Registry::API);
    let got = request(stack.registry.port(), "GET", &path, "").unwrap();
    assert!(got.body.contains(r#""schema":"\"long\"""#), "{}", got.body);

    stack.broker.restart().unwrap();
    let after = cluster_metadata::fetch(stack.broker.port()).unwrap();
    assert!(after.topics.contains(&("kept".to_owned(), 3)), "{after:?}");
    stack.registry.process().terminate(Duration::from_secs(20)).unwrap();
}
