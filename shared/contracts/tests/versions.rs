//! Schemas with several versions: records of an earlier version are read with the defaults of the fields that it lacks, and readers of an
//! earlier version read what is written now. `tests/evolution.rs` tests a later release against this one.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use common::{Example, OWN, Registry, from_hex, schemas, valid_examples};
use contracts::catalogue::contract;
use contracts::{Codec, Topic};
use serde_json::Value as Json;

/// The schemas of an event before the one that is written, the oldest first.
fn earlier(topic: Topic) -> Vec<String> {
    let path = |version: u32| schemas().join(topic.event()).join(format!("v{version}.avsc"));
    let mut versions: Vec<String> =
        (1..).map_while(|version| std::fs::read_to_string(path(version)).ok()).collect();
    versions.pop();
    versions
}

/// The examples of events with earlier versions, each with one of these and its number.
fn examples() -> Vec<(Example, usize, String)> {
    let of = |example: Example| {
        let numbered = (1..).zip(earlier(example.topic));
        let copy = |(number, schema)| {
            let Example { topic, name, text } = &example;
            (Example { topic: *topic, name: name.clone(), text: text.clone() }, number, schema)
        };
        numbered.map(copy).collect::<Vec<_>>()
    };
    valid_examples().into_iter().flat_map(of).collect()
}

#[test]
fn second_versions_are_those_of_the_backfill_events() {
    let names: Vec<&str> = Topic::ALL
        .iter()
        .filter(|topic| !topic.is_dead_letter() && !earlier(**topic).is_empty())
        .map(|topic| topic.event())
        .collect();
    let expected = [
        "backfill.range.requested",
        "backfill.coverage.changed",
        "backfill.range.completed",
        "backfill.range.failed",
    ];
    assert_eq!(names, expected);
}

#[test]
fn earlier_bodies_are_read_with_the_defaults_of_new_fields() {
    let written: Json = serde_json::from_str(include_str!("fastavro/written.json")).unwrap();
    let bodies: BTreeMap<String, String> = serde_json::from_value(written["bodies"].clone()).unwrap();
    for (example, number, schema) in examples() {
        let parsed: Json = serde_json::from_str(&schema).unwrap();
        let name = format!("{} v{number}", example.name);
        let mut payload = vec![0];
        payload.extend_from_slice(&OWN.to_be_bytes());
        payload
            .extend_from_slice(&from_hex(bodies.get(&name).unwrap_or_else(|| panic!("{name}: run make.py"))));
        let contract = contract(example.topic).unwrap();
        let read = contract.decode_to_json(&Codec::new(), Some(&payload), &Registry::of(&schema));
        let mut expected = example.value();
        for field in serde_json::from_str::<Json>(contract.schema).unwrap()["fields"].as_array().unwrap() {
            let named = |other: &&Json| other["name"] == field["name"];
            match parsed["fields"].as_array().unwrap().iter().find(named) {
                None => expected[field["name"].as_str().unwrap()] = field["default"].clone(),
                Some(twin) => {
                    let value = &mut expected[field["name"].as_str().unwrap()];
                    let symbols = twin["type"]["symbols"].as_array();
                    if symbols.is_some_and(|symbols| !symbols.contains(value)) {
                        *value = twin["type"]["default"].clone();
                    }
                }
            }
        }
        assert_eq!(read, Ok(expected), "{name}");
    }
}

#[test]
fn readers_of_earlier_versions_read_what_is_written_now() {
    for (example, number, schema) in examples() {
        let contract = contract(example.topic).unwrap();
        let mut payload = Vec::new();
        contract.encode_from_json(example.text.as_bytes(), OWN, &mut payload).unwrap();
        let writer = Schema::parse_str(contract.schema).unwrap();
        let reader = Schema::parse_str(&schema).unwrap();
        let fields_of = |reader: Option<&Schema>| {
            let datum = GenericDatumReader::builder(&writer).maybe_reader_schema(reader).build().unwrap();
            let mut body = &payload[5..];
            match datum.read_value(&mut body).unwrap() {
                Value::Record(fields) if body.is_empty() => fields,
                other => panic!("{other:?} is not a whole record"),
            }
        };
        let (now, then) = (fields_of(None), fields_of(Some(&reader)));
        for (name, value) in &then {
            let written = now.iter().find(|(field, _)| field == name).map(|(_, value)| value).unwrap();
            match (value, written) {
                (Value::Enum(_, symbol), Value::Enum(_, written)) => {
                    let is_defined = schema.contains(&format!("\"{written}\""));
                    assert_eq!(
                        symbol,
                        if is_defined { written } else { "unknown" },
                        "{} v{number}",
                        example.name
                    );
                }
                _ => assert_eq!(value, written, "{} v{number}: {name}", example.name),
            }
        }
        let Schema::Record(record) = &reader else { panic!("{schema}") };
        assert_eq!(then.len(), record.fields.len(), "{} v{number}", example.name);
    }
}
