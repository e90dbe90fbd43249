//! A second version of a schema next to the first, in both registries and in one topic of a running service.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod alerts;

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::{Alert, Event, Gap, Topic, encode};
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Registry, Service, Stack, read_all, real_parts_missing, request, run_to_end};
use kafka_io::{KafkaConfig, TopicReader};
use serde_json::{Value as Json, json};

const ALERT_V2: &str =
    include_str!("../../../shared/contracts/tests/fixtures/evolution/scanner.alert.raised/v2.avsc");
const GAP_V2: &str =
    include_str!("../../../shared/contracts/tests/fixtures/evolution/market.gap.detected/v2.avsc");

/// Alerts of each version.
const ALERTS: usize = 150;
const LIMIT: Duration = Duration::from_secs(120);

/// The port and the API path of a registry.
#[derive(Clone, Copy)]
struct Api(u16, &'static str);

impl Api {
    fn call(self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let reply = request(self.0, method, &format!("{}{path}", self.1), &body.to_string()).unwrap();
        let body = serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{}", reply.body));
        (reply.status, body)
    }

    fn register(self, topic: Topic, schema: &str) -> (u16, Json) {
        let path = format!("/subjects/{}/versions", topic.subject().unwrap());
        self.call("POST", &path, &json!({ "schema": schema }))
    }

    /// Registers a schema and returns its id.
    fn registered(self, topic: Topic, schema: &str) -> u32 {
        let (status, body) = self.register(topic, schema);
        assert_eq!(status, 200, "{topic}: {body}");
        u32::try_from(body["id"].as_u64().unwrap()).unwrap()
    }

    /// Asserts that both versions are compatible, and that both reject the change of an int to a long.
    fn assert_compatibility_rule(self) {
        let level = json!({ "compatibility": "FULL_TRANSITIVE" });
        for (topic, one, two) in
            [(Topic::AlertRaised, Alert::SCHEMA, ALERT_V2), (Topic::GapDetected, Gap::SCHEMA, GAP_V2)]
        {
            let one = self.registered(topic, one);
            let (status, body) = self.call("PUT", &format!("/config/{}", topic.subject().unwrap()), &level);
            assert_eq!(status, 200, "{body}");
            assert_ne!(one, self.registered(topic, two), "another schema has another id");
        }
        for version in [Gap::SCHEMA, GAP_V2] {
            let long = version.replace(r#""priority", "type": "int""#, r#""priority", "type": "long""#);
            assert_ne!(long, version);
            let (status, body) = self.register(Topic::GapDetected, &long);
            assert_eq!((status, &body["error_code"]), (409, &json!(409)), "{body}");
        }
        let path = format!("/subjects/{}/versions", Topic::GapDetected.subject().unwrap());
        assert_eq!(
            self.call("GET", &path, &json!({})).1,
            json!([1, 2]),
            "the rejected version was not stored"
        );
    }
}

#[test]
fn embedded_registry_rejects_an_incompatible_version() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
    Api(registry.address().port(), "").assert_compatibility_rule();
}

#[test]
fn writers_and_readers_of_two_schema_versions_share_a_topic() {
    if real_parts_missing() {
        return;
    }
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let api = Api(stack.registry.port(), Registry::API);
    api.assert_compatibility_rule();
    let (one, two) =
        (api.registered(Topic::AlertRaised, Alert::SCHEMA), api.registered(Topic::AlertRaised, ALERT_V2));

    let (brokers, registry) = (stack.broker.address(), stack.registry.url());
    let mut apply = binaries.command("tapeline");
    apply.args(["topics", "apply", "--replication", "1", "--brokers", &brokers]);
    let applied = run_to_end("apply", apply, stack.folder(), LIMIT).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.printed);

    let sections = format!(
        "[kafka]\nbrokers = \"{brokers}\"\n\n[registry]\nurl = \"{registry}\"\n\n\
         [alerts]\ngroup_symbols_per_s = 100000\n"
    );
    let mut service = Service::start(&binaries, "scanner-bridge", &sections, stack.folder()).unwrap();
    service.wait_until_ready().unwrap();
    let kafka = KafkaConfig { brokers, ..KafkaConfig::default() };
    let newer = Schema::parse_str(ALERT_V2).unwrap();
    let records = (0..2 * ALERTS).map(|number| {
        let alert = alerts::alert(number);
        let payload = if number % 2 == 0 { first(&alert, one) } else { second(&alert, two, &newer) };
        alerts::record(&alert.symbol, kafka.partitions, payload)
    });
    alerts::produce(&kafka, records.collect());

    let requested = alerts::requested_symbols(&kafka, 2 * ALERTS, LIMIT);
    assert_eq!(requested.len(), 2 * ALERTS, "{}", service.process().excerpt());
    assert!(requested.values().all(|times| *times == 1), "{requested:?}");
    let dead_letters = TopicReader::read_all(&kafka, &[Topic::ScannerBridgeDeadLetter], LIMIT).unwrap();
    assert!(dead_letters.is_empty(), "{dead_letters:?}");
    assert_second_version_reads_all(&kafka, one, &newer);
    assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
    let alerts = format!("scanner.alert.raised.v1={}", 2 * ALERTS);
    if let Some(read) = read_all(&stack, &["--expect", &alerts]).unwrap() {
        assert_eq!(read.code, Some(0), "{}", read.printed);
    }
}

fn first(alert: &Alert, id: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(alert, id, &mut payload).unwrap();
    payload
}

/// Encodes the alert as a later release would: with a confidence, and for some alerts with a type that the bridge cannot
/// decode.
fn second(alert: &Alert, id: u32, newer: &Schema) -> Vec<u8> {
    let mut fields = as_newer(&first(alert, id)[5..], contracts::codec::schema::<Alert>(), newer);
    for (name, value) in &mut fields {
        match name.as_str() {
            "confidence" => *value = Value::Union(1, Box::new(Value::Double(0.5))),
            // The index of `short_squeeze` in its enum.
            "alert_type" if alert.event_id.ends_with('1') => {
                *value = Value::Enum(22, "short_squeeze".to_owned())
            }
            _ => {}
        }
    }
    let mut payload = [&[0][..], &id.to_be_bytes()].concat();
    let datum = GenericDatumWriter::builder(newer).build().unwrap();
    payload.extend(datum.write_value_to_vec(Value::Record(fields)).unwrap());
    payload
}

/// Decodes a body as a reader of the second version.
fn as_newer(mut body: &[u8], writer: &Schema, newer: &Schema) -> Vec<(String, Value)> {
    let datum = GenericDatumReader::builder(writer).reader_schema(newer).build().unwrap();
    match datum.read_value(&mut body).unwrap() {
        Value::Record(fields) if body.is_empty() => fields,
        other => panic!("{other:?} is not a record"),
    }
}

fn assert_second_version_reads_all(kafka: &KafkaConfig, one: u32, newer: &Schema) {
    let records = TopicReader::read_all(kafka, &[Topic::AlertRaised], LIMIT).unwrap();
    assert_eq!(records.len(), 2 * ALERTS);
    let mut confident = 0;
    for record in records {
        let payload = record.payload.unwrap();
        let (id, body) = contracts::split(&payload).unwrap();
        let writer = if id == one { contracts::codec::schema::<Alert>() } else { newer };
        let fields = as_newer(body, writer, newer);
        let confidence = fields.iter().find(|(name, _)| name == "confidence").map(|(_, value)| value);
        confident += usize::from(confidence == Some(&Value::Union(1, Box::new(Value::Double(0.5)))));
    }
    assert_eq!(confident, ALERTS);
}
