//! A second version of a schema next to the first, in both registries and in one topic of a running service.

use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::ids::event_id;
use contracts::{
    Alert, BackfillTrigger, DataKind, Event, Gap, RangeCompletion, RangeRequest, Topic, encode, partition_for,
};
use devstack::registry::EmbeddedRegistry;
use integration::{Binaries, Registry, Service, Stack, read_all, real_parts_missing, request, run_to_end};
use kafka_io::{KafkaConfig, OutRecord, TopicReader};
use serde_json::{Value as Json, json};

use crate::alerts;

const ALERT_V2: &str =
    include_str!("../../../../shared/contracts/tests/fixtures/evolution/scanner.alert.raised/v2.avsc");
const GAP_V2: &str =
    include_str!("../../../../shared/contracts/tests/fixtures/evolution/market.gap.detected/v2.avsc");

const REQUEST_V1: &str = include_str!("../../../../schemas/backfill.range.requested/v1.avsc");
const COMPLETION_V1: &str = include_str!("../../../../schemas/backfill.range.completed/v1.avsc");
const COVERAGE_V1: &str = include_str!("../../../../schemas/backfill.coverage.changed/v1.avsc");
const FAILURE_V1: &str = include_str!("../../../../schemas/backfill.range.failed/v1.avsc");

/// Alerts of each version.
const ALERTS: usize = 150;
/// Backfill requests of both versions together.
const BACKFILLS: usize = 20;
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

    /// Registers the first versions of the backfill events, as release 0.1.0 did, and the second ones under the level that it set.
    fn register_backfill_versions(self) {
        let level = json!({ "compatibility": "FULL_TRANSITIVE" });
        for (topic, one) in [
            (Topic::RangeRequested, REQUEST_V1),
            (Topic::RangeCompleted, COMPLETION_V1),
            (Topic::CoverageChanged, COVERAGE_V1),
            (Topic::RangeFailed, FAILURE_V1),
        ] {
            let older = self.registered(topic, one);
            let (status, body) = self.call("PUT", &format!("/config/{}", topic.subject().unwrap()), &level);
            assert_eq!(status, 200, "{body}");
            assert_ne!(older, self.registered(topic, contracts::catalogue::contract(topic).unwrap().schema));
        }
    }
}

#[test]
fn embedded_registry_rejects_an_incompatible_version() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registry = runtime.block_on(EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap())).unwrap();
    let api = Api(registry.address().port(), "");
    api.assert_compatibility_rule();
    api.register_backfill_versions();
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
    apply_topics(&binaries, &stack);
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
        let payload = if number % 2 == 0 { encoded(&alert, one) } else { second(&alert, two, &newer) };
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

fn apply_topics(binaries: &Binaries, stack: &Stack) {
    let mut apply = binaries.command("tapeline");
    apply.args(["topics", "apply", "--replication", "1", "--brokers", &stack.broker.address()]);
    let applied = run_to_end("apply", apply, stack.folder(), LIMIT).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.printed);
}

#[test]
fn backfill_serves_requests_of_two_schema_versions() {
    if real_parts_missing() {
        return;
    }
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let api = Api(stack.registry.port(), Registry::API);
    api.register_backfill_versions();
    apply_topics(&binaries, &stack);
    let (brokers, registry) = (stack.broker.address(), stack.registry.url());
    let sections = format!(
        "[kafka]\nbrokers = \"{brokers}\"\n\n[registry]\nurl = \"{registry}\"\n\n\
         [source]\nkind = \"synthetic\"\n\n[executor]\ngather_ms = 50\ntimeframes = [\"1day\"]\n"
    );
    let mut service = Service::start(&binaries, "backfill", &sections, stack.folder()).unwrap();
    service.wait_until_ready().unwrap();
    let kafka = KafkaConfig { brokers, ..KafkaConfig::default() };
    let ids = [REQUEST_V1, RangeRequest::SCHEMA].map(|schema| api.registered(Topic::RangeRequested, schema));
    let records = (0..BACKFILLS).map(|number| {
        let request = backfill_request(&alerts::alert(number).symbol);
        let payload =
            if number % 2 == 0 { in_first_version(&request, ids[0]) } else { encoded(&request, ids[1]) };
        let partition = partition_for(request.symbol.as_bytes(), kafka.partitions);
        OutRecord::new(Topic::RangeRequested, partition, request.symbol.as_str(), payload)
    });
    alerts::produce(&kafka, records.collect());

    let deadline = Instant::now() + LIMIT;
    let completions = loop {
        let found = TopicReader::read_all(&kafka, &[Topic::RangeCompleted], LIMIT).unwrap();
        if found.len() >= BACKFILLS || Instant::now() >= deadline {
            break found;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    };
    assert_eq!(completions.len(), BACKFILLS, "{}", service.process().excerpt());
    let reader = Schema::parse_str(COMPLETION_V1).unwrap();
    for record in completions {
        let payload = record.payload.unwrap();
        let (_, body) = contracts::split(&payload).unwrap();
        let fields = read_as(&reader, contracts::codec::schema::<RangeCompletion>(), body);
        let success = fields.iter().find(|(name, _)| name == "success");
        assert_eq!(success.map(|(_, value)| value), Some(&Value::Boolean(true)), "{fields:?}");
    }
    assert_eq!(service.terminate().unwrap(), Some(0), "{}", service.process().excerpt());
}

fn backfill_request(symbol: &str) -> RangeRequest {
    RangeRequest {
        event_id: event_id(),
        occurred_at: 1_710_532_800_000_000,
        source: "test".to_owned(),
        correlation_id: None,
        backfill_id: event_id(),
        attempt: 1,
        symbol: symbol.to_owned(),
        layer: 0,
        data_types: vec![DataKind::MarketData],
        start: 1_709_532_800_000_000,
        end: 1_710_532_800_000_000,
        priority: 5,
        trigger: BackfillTrigger::Manual,
        refetch: false,
        cancel: false,
    }
}

/// Encodes the request as release 0.1.0 does.
fn in_first_version(request: &RangeRequest, id: u32) -> Vec<u8> {
    let older = Schema::parse_str(REQUEST_V1).unwrap();
    let fields = read_as(&older, contracts::codec::schema::<RangeRequest>(), &encoded(request, id)[5..]);
    let mut payload = [&[0][..], &id.to_be_bytes()].concat();
    let datum = GenericDatumWriter::builder(&older).build().unwrap();
    payload.extend(datum.write_value_to_vec(Value::Record(fields)).unwrap());
    payload
}

fn encoded<E: Event>(event: &E, id: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(event, id, &mut payload).unwrap();
    payload
}

/// Encodes the alert as a later release would: with a confidence, and for some alerts with a type that the bridge cannot
/// decode.
fn second(alert: &Alert, id: u32, newer: &Schema) -> Vec<u8> {
    let mut fields = read_as(newer, contracts::codec::schema::<Alert>(), &encoded(alert, id)[5..]);
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

/// Decodes a body as a reader of another version.
fn read_as(reader: &Schema, writer: &Schema, mut body: &[u8]) -> Vec<(String, Value)> {
    let datum = GenericDatumReader::builder(writer).reader_schema(reader).build().unwrap();
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
        let fields = read_as(newer, writer, body);
        let confidence = fields.iter().find(|(name, _)| name == "confidence").map(|(_, value)| value);
        confident += usize::from(confidence == Some(&Value::Union(1, Box::new(Value::Double(0.5)))));
    }
    assert_eq!(confident, ALERTS);
}
