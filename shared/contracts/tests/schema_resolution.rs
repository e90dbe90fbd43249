//! Events that were written with another schema: an older or newer version, or the same one with another id.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use common::{OWN, Registry, valid_examples};
use contracts::{Alert, Codec, DecodeError, Event, Gap, Vector, encode, json};
use domain::AlertType;

fn example<E: Event>(name: &str) -> E {
    let example = valid_examples().into_iter().find(|example| example.name.ends_with(name)).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

fn alert() -> Alert {
    example("scanner.alert.raised/volume_spike")
}

/// Returns the payload of a writer with `schema`: the event's value with changed fields, resolved to that schema.
fn written_by<E: Event>(schema: &str, event: &E, change: impl Fn(&mut Vec<(String, Value)>)) -> Vec<u8> {
    let own = contracts::codec::schema::<E>();
    let mut payload = Vec::new();
    encode(event, OWN, &mut payload).unwrap();
    let value = apache_avro::reader::datum::GenericDatumReader::builder(own)
        .build()
        .unwrap()
        .read_value(&mut &payload[5..])
        .unwrap();
    let Value::Record(mut fields) = value else { panic!("not a record") };
    change(&mut fields);
    let schema = Schema::parse_str(schema).unwrap();
    let value = Value::Record(fields).resolve(&schema).unwrap();
    let mut payload = vec![0, 0, 0, 0, 99];
    payload.extend(GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap());
    payload
}

fn decode<E: Event>(schema: &str, payload: &[u8]) -> Result<E, DecodeError> {
    Codec::new().decode(payload, &Registry::default().with(99, schema))
}

/// Returns a newer version of the alert schema, with a new field in the middle and a new alert type.
fn newer() -> String {
    Alert::SCHEMA
        .replace(
            r#"{"name": "message", "type": "string"},"#,
            r#"{"name": "confidence", "type": ["null", "double"], "default": null}, {"name": "message", "type": "string"},"#,
        )
        .replace(r#""catalyst_detected","#, r#""aardvark_sighted", "catalyst_detected","#)
}

#[test]
fn equal_encoding_with_another_id_is_read_directly() {
    let reworded = Alert::SCHEMA.replace("a scanner found something about a symbol", "another text");
    assert_ne!(reworded, Alert::SCHEMA);
    let mut payload = Vec::new();
    encode(&alert(), 99, &mut payload).unwrap();
    assert_eq!(decode(&reworded, &payload), Ok(alert()));
}

#[test]
fn newer_fields_are_skipped_and_new_symbols_become_unknown() {
    let payload = written_by(&newer(), &alert(), |fields| {
        fields.push(("confidence".to_owned(), Value::Double(0.5)));
        fields.retain(|(name, _)| name != "alert_type");
        fields.push(("alert_type".to_owned(), Value::String("aardvark_sighted".to_owned())));
    });
    assert_eq!(decode(&newer(), &payload), Ok(Alert { alert_type: AlertType::Unknown, ..alert() }));
    let payload = written_by(&newer(), &alert(), |_| {});
    assert_eq!(decode(&newer(), &payload), Ok(alert()), "symbols keep their meaning if their index changes");
}

#[test]
fn field_missing_in_older_schema_gets_its_default() {
    let older = Alert::SCHEMA.replace(
        r#",
    {"name": "metadata", "type": {"type": "map", "values": "string"}, "default": {}, "doc": "at most 50 keys and 10 KiB"}"#,
        "",
    );
    assert_ne!(older, Alert::SCHEMA);
    let payload = written_by(&older, &alert(), |_| {});
    let read: Alert = decode(&older, &payload).unwrap();
    assert_eq!(read, Alert { metadata: [].into(), ..alert() });
}

#[test]
fn nested_maps_are_resolved() {
    let vector: Vector = example("feature.vector.computed/computed_in_part");
    let newer = Vector::SCHEMA.replace(
        r#"{"name": "bars_held","#,
        r#"{"name": "worker", "type": "int", "default": 0}, {"name": "bars_held","#,
    );
    assert_ne!(newer, Vector::SCHEMA);
    let payload = written_by(&newer, &vector, |fields| fields.push(("worker".to_owned(), Value::Int(3))));
    assert_eq!(decode(&newer, &payload), Ok(vector));
}

#[test]
fn truncated_resolved_body_is_rejected_at_every_length() {
    let writers = Registry::default().with(99, &newer());
    let codec = Codec::new();
    let payload = written_by(&newer(), &alert(), |_| {});
    for length in 1..payload.len() {
        let error = codec.read::<Alert>(&payload[..length], &writers).unwrap_err();
        assert_eq!(error.class(), "truncated", "at {length}: {error}");
    }
    let longer = [payload.as_slice(), &[0]].concat();
    assert_eq!(
        codec.read::<Alert>(longer.as_slice(), &writers),
        Err(DecodeError::TrailingBytes { bytes: 1 })
    );
}

#[test]
fn int_of_the_writer_is_widened_to_long() {
    let older =
        Alert::SCHEMA.replacen(r#"{"type": "long", "logicalType": "timestamp-micros"}"#, r#""int""#, 1);
    let event = Alert { occurred_at: 1_000_000, ..alert() };
    let payload = written_by(&older, &event, |fields| {
        fields.retain(|(name, _)| name != "occurred_at");
        fields.push(("occurred_at".to_owned(), Value::Int(1_000_000)));
    });
    assert_eq!(decode(&older, &payload), Ok(event));
}

#[test]
fn milliseconds_are_not_read_as_microseconds() {
    let millis = Alert::SCHEMA.replace("timestamp-micros", "timestamp-millis");
    let mut payload = Vec::new();
    encode(&alert(), 99, &mut payload).unwrap();
    assert_eq!(decode::<Alert>(&millis, &payload).unwrap_err().class(), "malformed");
}

#[test]
fn unresolvable_schema_is_incompatible() {
    let without_score = Alert::SCHEMA.replace(r#"{"name": "score", "type": "double", "doc": "0 to 1"},"#, "");
    let error = decode::<Alert>(&without_score, &[0, 0, 0, 0, 99, 0]).unwrap_err();
    assert_eq!(error.class(), "incompatible_schema");
    assert!(error.to_string().contains("score"), "{error}");
}

#[test]
fn recursive_schema_is_rejected() {
    let recursive = Alert::SCHEMA.replace(
        r#"{"name": "message", "type": "string"},"#,
        r#"{"name": "message", "type": "string"}, {"name": "cause", "type": ["null", "Alert"], "default": null},"#,
    );
    let deep = [&[0, 0, 0, 0, 99][..], &[2; 900_000]].concat();
    assert_eq!(decode::<Alert>(&recursive, &deep).unwrap_err().class(), "incompatible_schema");
}

#[test]
fn writer_schema_is_requested_once_per_id() {
    struct Counting(Registry, std::cell::Cell<u32>);
    impl contracts::WriterSchemas for Counting {
        fn writer(&self, id: u32) -> Result<std::sync::Arc<Schema>, contracts::WriterError> {
            self.1.set(self.1.get() + 1);
            self.0.writer(id)
        }
    }
    let writers = Counting(Registry::of(Alert::SCHEMA).with(99, &newer()), std::cell::Cell::new(0));
    let codec = Codec::new();
    let mut own = Vec::new();
    encode(&alert(), OWN, &mut own).unwrap();
    let foreign = written_by(&newer(), &alert(), |_| {});
    for _ in 0..10 {
        assert_eq!(codec.decode::<Alert>(own.as_slice(), &writers), Ok(alert()));
        assert_eq!(codec.decode::<Alert>(foreign.as_slice(), &writers), Ok(alert()));
    }
    assert_eq!(writers.1.get(), 2);
}

#[test]
fn unavailable_registry_is_retryable() {
    struct Down;
    impl contracts::WriterSchemas for Down {
        fn writer(&self, id: u32) -> Result<std::sync::Arc<Schema>, contracts::WriterError> {
            Err(contracts::WriterError::Unavailable { id, cause: "connection refused".to_owned() })
        }
    }
    let error = Codec::new().decode::<Gap>(&[0, 0, 0, 0, 5, 0][..], &Down).unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), "failed to fetch schema 5: connection refused");
}
