//! Clients of other parties: Confluent's client and Avro deserialiser read an event of every kind, and the example of
//! docs/topics.md runs as it is printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use contracts::catalogue::{Contract, contract, contracts};
use contracts::codec::{Codec, schema};
use contracts::{ClosedBar, Event, Topic, WriterError, WriterSchemas, partition_for};
use integration::{Registry, Stack, python, read_all, real_parts_missing, request, run_to_end};
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, ProducerLimits, TopicReader, admin};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Longer than the example takes on two busy cores.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn confluent_client_reads_every_event_and_reports_a_bad_record() {
    if real_parts_missing() || python().is_none() {
        return;
    }
    let client = Client::start();
    let (mut records, mut expected) = (Vec::new(), BTreeMap::new());
    for contract in contracts() {
        for example in examples(contract.topic) {
            records.push(client.record(&contract, &example));
            *expected.entry(contract.topic).or_insert(0) += 1;
        }
    }
    assert_eq!(expected.len(), Topic::ALL.iter().filter(|topic| !topic.is_dead_letter()).count());
    let cut = records[0].payload.len() - 1;
    let bad = OutRecord::new(records[0].topic, 1, "key", records[0].payload[..cut].to_vec());

    client.produce(records);
    let expected: Vec<String> = Topic::ALL
        .iter()
        .map(|topic| format!("{}={}", topic.name(), expected.get(topic).copied().unwrap_or(0)))
        .collect();
    let arguments: Vec<&str> = expected.iter().flat_map(|expected| ["--expect", expected]).collect();
    let read = read_all(&client.stack, &arguments).unwrap().unwrap();
    assert_eq!(read.code, Some(0), "{}", read.printed);

    let position = format!("{}[1]@0", bad.topic.name());
    client.produce(vec![bad]);
    let read = read_all(&client.stack, &arguments).unwrap().unwrap();
    assert_eq!((read.code, read.printed.contains(&position)), (Some(1), true), "{}", read.printed);
}

#[test]
fn example_of_the_topics_page_writes_bars_and_reads_vectors() {
    if real_parts_missing() {
        return;
    }
    let Some(python) = python() else { return };
    let client = Client::start();
    let vectors = contract(Topic::VectorComputed).unwrap();
    let vector = examples(Topic::VectorComputed)
        .into_iter()
        .find(|example| String::from_utf8_lossy(example).contains("trend_features"))
        .unwrap();
    client.produce(vec![client.record(&vectors, &vector)]);

    let page = std::fs::read_to_string(root().join("docs/topics.md")).unwrap();
    let (_, block) = page.split_once("```python\n").unwrap();
    let (example, _) = block.split_once("\n```").unwrap();
    let script = client.stack.folder().join("example.py");
    std::fs::write(&script, example).unwrap();
    let mut command = Command::new(python);
    command.arg(script).args([client.stack.broker.address(), client.stack.registry.url()]);
    let ended = run_to_end("example", command, client.stack.folder(), LIMIT).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.printed);
    let lines: Vec<&str> = ended.printed.lines().collect();
    assert_eq!(
        lines,
        ["2 bars written", "AAPL 2024-03-15T20:00:00+00:00 price_features, trend_features"],
        "{}",
        ended.printed
    );
    client.assert_bars_of_the_example();
}

/// A broker and a registry with all topics and schemas, and a producer.
struct Client {
    stack: Stack,
    kafka: KafkaConfig,
    runtime: Runtime,
    schema_ids: BTreeMap<Topic, u32>,
}

impl Client {
    fn start() -> Self {
        let stack = Stack::start().unwrap();
        let kafka = KafkaConfig { brokers: stack.broker.address(), ..KafkaConfig::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin::topics_apply(&kafka, Topic::ALL, 1)).unwrap();
        let id = |contract: &Contract| registered(&stack, contract.topic, contract.schema);
        let schema_ids = contracts().map(|contract| (contract.topic, id(&contract))).collect();
        Self { stack, kafka, runtime, schema_ids }
    }

    /// Encodes an example; the partition is 0.
    fn record(&self, contract: &Contract, example: &[u8]) -> OutRecord {
        let mut payload = Vec::new();
        contract.encode_from_json(example, self.schema_ids[&contract.topic], &mut payload).unwrap();
        OutRecord::new(contract.topic, 0, "key", payload)
    }

    fn produce(&self, records: Vec<OutRecord>) {
        let producer = BatchProducer::new(&self.kafka, ProducerLimits::default()).unwrap();
        for result in self.runtime.block_on(producer.produce(records)) {
            result.unwrap();
        }
    }

    /// Asserts that the bars of the example have the right partition, key and schema id, and are valid.
    fn assert_bars_of_the_example(&self) {
        let codec = Codec::new();
        let records = TopicReader::read_all(&self.kafka, &[Topic::BarClosed], LIMIT).unwrap();
        let mut closes = Vec::new();
        for record in records {
            assert_eq!(record.partition, partition_for(b"AAPL", self.kafka.partitions));
            let (id, _) = contracts::split(record.payload.as_deref().unwrap()).unwrap();
            assert_eq!(id, self.schema_ids[&Topic::BarClosed]);
            let bar: ClosedBar = codec.decode(record.payload.as_deref(), &CurrentSchema).unwrap();
            bar.validate().unwrap();
            assert_eq!(record.key.as_deref(), Some(bar.key().as_bytes()));
            closes.push(bar.close);
        }
        assert_eq!(closes, [172.0, 172.6]);
    }
}

struct CurrentSchema;

impl WriterSchemas for CurrentSchema {
    fn writer(&self, _: u32) -> Result<Arc<apache_avro::Schema>, WriterError> {
        Ok(Arc::new(schema::<ClosedBar>().clone()))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the examples of the event in `schemas/`.
fn examples(topic: Topic) -> Vec<Vec<u8>> {
    let folder = root().join("schemas").join(topic.event());
    let files = std::fs::read_dir(folder.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let examples = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    examples.map(|path| std::fs::read(path).unwrap()).collect()
}

fn registered(stack: &Stack, topic: Topic, schema: &str) -> u32 {
    let path = format!("{}/subjects/{}/versions", Registry::API, topic.subject().unwrap());
    let schema = json!({ "schema": schema }).to_string();
    let reply = request(stack.registry.port(), "POST", &path, &schema).unwrap();
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    u32::try_from(body["id"].as_u64().unwrap_or_else(|| panic!("{topic}: {body}"))).unwrap()
}
