//! Events written with another schema than ours: an older or newer version of it, or the same one under another id.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

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

/// `event` as a writer with `schema` would send it: its own value, resolved to that schema, with `extra` fields.
fn written_by<E: Event>(schema: &str, event: &E, change: impl Fn(&mut Vec<(String, Value)>)) -> Vec<u8> {
    let own = contracts::codec::schema::<E>();
    let mut payload = Vec::new();
    encode(event, OWN, &mut payload).unwrap();
    let value = apache_avro::reader::datum::GenericDatumReader::builder(own)
        .build()
        .unwrap()
        .read_value(&mut &payload[5..])
        .unwrap();
    let Value::Record(mut fields) = value else { panic!("an event is a record") };
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

/// A newer version of the alert: one more field in the middle, one more type of alert, `score` documented anew.
fn newer() -> String {
    Alert::SCHEMA
        .replace(
            r#"{"name": "message", "type": "string"},"#,
            r#"{"name": "confidence", "type": ["null", "double"], "default": null}, {"name": "message", "type": "string"},"#,
        )
        .replace(r#""catalyst_detected","#, r#""aardvark_sighted", "catalyst_detected","#)
}

#[test]
fn the_same_layout_under_another_id_and_other_words_reads_as_ours() {
    let reworded = Alert::SCHEMA.replace("a scanner found something about a symbol", "something was found");
    assert_ne!(reworded, Alert::SCHEMA);
    let mut payload = Vec::new();
    encode(&alert(), 99, &mut payload).unwrap();
    assert_eq!(decode(&reworded, &payload), Ok(alert()));
}

#[test]
fn a_newer_writers_fields_are_passed_over_and_its_symbols_become_unknown() {
    let payload = written_by(&newer(), &alert(), |fields| {
        fields.push(("confidence".to_owned(), Value::Double(0.5)));
        fields.retain(|(name, _)| name != "alert_type");
        fields.push(("alert_type".to_owned(), Value::String("aardvark_sighted".to_owned())));
    });
    assert_eq!(decode(&newer(), &payload), Ok(Alert { alert_type: AlertType::Unknown, ..alert() }));
    let payload = written_by(&newer(), &alert(), |_| {});
    assert_eq!(
        decode(&newer(), &payload),
        Ok(alert()),
        "the other symbols keep their meaning though their indexes moved"
    );
}

#[test]
fn what_an_older_writer_did_not_have_takes_its_default() {
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
fn nested_maps_of_a_foreign_writer_are_resolved_too() {
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
fn a_foreign_body_cut_off_anywhere_is_refused_as_truncated() {
    let writers = Registry::default().with(99, &newer());
    let codec = Codec::new();
    let payload = written_by(&newer(), &alert(), |_| {});
    for length in 1..payload.len() {
        let fault = codec.read::<Alert>(&payload[..length], &writers).unwrap_err();
        assert_eq!(fault.class(), "truncated", "at {length}: {fault}");
    }
    let longer = [payload.as_slice(), &[0]].concat();
    assert_eq!(
        codec.read::<Alert>(longer.as_slice(), &writers),
        Err(DecodeError::TrailingBytes { bytes: 1 })
    );
}

#[test]
fn a_whole_number_is_widened_where_ours_is_wider() {
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
fn a_schema_that_ours_cannot_read_is_named_as_such() {
    let without_score = Alert::SCHEMA.replace(r#"{"name": "score", "type": "double", "doc": "0 to 1"},"#, "");
    let fault = decode::<Alert>(&without_score, &[0, 0, 0, 0, 99, 0]).unwrap_err();
    assert_eq!(fault.class(), "incompatible_schema");
    assert!(fault.to_string().contains("score"), "{fault}");
}

#[test]
fn a_schema_that_contains_itself_is_refused() {
    let recursive = Alert::SCHEMA.replace(
        r#"{"name": "message", "type": "string"},"#,
        r#"{"name": "message", "type": "string"}, {"name": "cause", "type": ["null", "Alert"], "default": null},"#,
    );
    let deep = [&[0, 0, 0, 0, 99][..], &[2; 900_000]].concat();
    assert_eq!(decode::<Alert>(&recursive, &deep).unwrap_err().class(), "incompatible_schema");
}

#[test]
fn how_an_id_is_read_is_asked_once() {
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
fn a_registry_that_cannot_be_asked_is_not_the_records_fault() {
    struct Down;
    impl contracts::WriterSchemas for Down {
        fn writer(&self, id: u32) -> Result<std::sync::Arc<Schema>, contracts::WriterError> {
            Err(contracts::WriterError::Unavailable { id, cause: "connection refused".to_owned() })
        }
    }
    let fault = Codec::new().decode::<Gap>(&[0, 0, 0, 0, 5, 0][..], &Down).unwrap_err();
    assert!(fault.is_retryable());
    assert_eq!(fault.to_string(), "failed to fetch schema 5: connection refused");
}
