//! A producer of a later release: its alerts have the second version of their schema.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::codec::schema;
use contracts::{Alert, Event, Topic, encode};
use integration::request;
use serde_json::{Value as Json, json};

use crate::alerts;
use crate::cluster::{Cluster, REGISTRY_API, REGISTRY_PORT, kafka};

const NEWER: &str =
    include_str!("../../../shared/contracts/tests/fixtures/evolution/scanner.alert.raised/v2.avsc");

/// Alerts of both versions, and the number of the first: no load uses these, which count upwards from 0.
const ALERTS: usize = 200;
const FIRST: usize = 11_100_000;

/// Registers a schema and returns its id.
pub(crate) fn registered(topic: Topic, text: &str) -> u32 {
    let path = format!("{REGISTRY_API}/subjects/{}/versions", topic.subject().unwrap());
    let reply = request(REGISTRY_PORT, "POST", &path, &json!({ "schema": text }).to_string()).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body: Json = serde_json::from_str(&reply.body).unwrap();
    u32::try_from(body["id"].as_u64().unwrap()).unwrap()
}

/// Writes alerts of both versions alternately and asserts that each one is requested once.
pub(crate) fn write_both(cluster: &Cluster) {
    let (one, two) = (registered(Topic::AlertRaised, Alert::SCHEMA), registered(Topic::AlertRaised, NEWER));
    assert_ne!(one, two);
    let newer = Schema::parse_str(NEWER).unwrap();
    let records = (FIRST..FIRST + ALERTS).map(|number| {
        let alert = alerts::alert(number);
        let mut payload = Vec::new();
        encode(&alert, one, &mut payload).unwrap();
        if number % 2 == 1 {
            payload = [&[0][..], &two.to_be_bytes(), &as_newer(&payload[5..], &newer)].concat();
        }
        alerts::record(&alert.symbol, kafka().partitions, payload)
    });
    alerts::produce(&kafka(), records.collect());
    cluster.wait_for_rest();
    let requested = alerts::requested_symbols(&kafka(), ALERTS, Duration::ZERO);
    for number in FIRST..FIRST + ALERTS {
        let symbol = alerts::alert(number).symbol;
        let times =
            requested.iter().find(|(requested, _)| requested.as_str() == symbol).map(|(_, times)| *times);
        assert_eq!(times, Some(1), "{symbol} must be requested once");
    }
}

/// Encodes the same alert as the newer release does, with a confidence.
fn as_newer(mut body: &[u8], newer: &Schema) -> Vec<u8> {
    let reader = GenericDatumReader::builder(schema::<Alert>()).reader_schema(newer).build().unwrap();
    let Value::Record(mut fields) = reader.read_value(&mut body).unwrap() else { panic!("not a record") };
    for (name, value) in &mut fields {
        if name == "confidence" {
            *value = Value::Union(1, Box::new(Value::Double(0.5)));
        }
    }
    let writer = GenericDatumWriter::builder(newer).build().unwrap();
    writer.write_value_to_vec(Value::Record(fields)).unwrap()
}
