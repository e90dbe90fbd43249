//! What we write is read by somebody else's code: an event of every kind, on its topic, by Confluent's client and Avro deserialiser.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::path::Path;

use contracts::Topic;
use contracts::catalogue::contracts;
use integration::{Registry, Stack, python, read_all, real_parts_missing, request};
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, ProducerLimits, admin};
use serde_json::{Value, json};

#[test]
fn a_reader_of_confluents_reads_an_event_of_every_kind_and_tells_where_it_can_not() {
    if real_parts_missing() || python().is_none() {
        return;
    }
    let stack = Stack::start().unwrap();
    let kafka = KafkaConfig { brokers: stack.broker.address(), ..KafkaConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(admin::topics_apply(&kafka, Topic::ALL, 1)).unwrap();
    let (mut records, mut expected) = (Vec::new(), BTreeMap::new());
    for contract in contracts() {
        let id = registered(&stack, contract.topic, contract.schema);
        for example in examples(contract.topic) {
            let mut payload = Vec::new();
            contract.encode_from_json(&example, id, &mut payload).unwrap();
            records.push(OutRecord::new(contract.topic, 0, "key", payload));
            *expected.entry(contract.topic).or_insert(0) += 1;
        }
    }
    assert_eq!(expected.len(), Topic::ALL.iter().filter(|topic| !topic.is_dead_letter()).count());
    let cut = records[0].payload.len() - 1;
    let bad = OutRecord::new(records[0].topic, 1, "key", records[0].payload[..cut].to_vec());
    let producer = BatchProducer::new(&kafka, ProducerLimits::default()).unwrap();
    let produce = |records| {
        for answer in runtime.block_on(producer.produce(records)) {
            answer.unwrap();
        }
    };

    produce(records);
    let expected: Vec<String> = Topic::ALL
        .iter()
        .map(|topic| format!("{}={}", topic.name(), expected.get(topic).copied().unwrap_or(0)))
        .collect();
    let arguments: Vec<&str> = expected.iter().flat_map(|expected| ["--expect", expected]).collect();
    let read = read_all(&stack, &arguments).unwrap().unwrap();
    assert_eq!(read.code, Some(0), "{}", read.printed);

    let place = format!("{}[1]@0", bad.topic.name());
    produce(vec![bad]);
    let read = read_all(&stack, &arguments).unwrap().unwrap();
    assert_eq!((read.code, read.printed.contains(&place)), (Some(1), true), "{}", read.printed);
}

/// The examples of the event that stand in the contract.
fn examples(topic: Topic) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").join(topic.event());
    let files = std::fs::read_dir(folder.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let examples = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    examples.map(|path| std::fs::read(path).unwrap()).collect()
}

fn registered(stack: &Stack, topic: Topic, schema: &str) -> u32 {
    let path = format!("{}/subjects/{}/versions", Registry::API, topic.subject().unwrap());
    let body = json!({ "schema": schema }).to_string();
    let reply = request(stack.registry.port(), "POST", &path, &body).unwrap();
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    u32::try_from(answer["id"].as_u64().unwrap_or_else(|| panic!("{topic}: {answer}"))).unwrap()
}
