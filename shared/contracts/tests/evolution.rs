//! Schema evolution: two schemas with a second version. The versions are compatible, and each reads records of the other.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use common::{OWN, Registry, valid_examples};
use contracts::compat::{is_full, is_full_transitive};
use contracts::wire::DataKind;
use contracts::{Alert, Codec, Event, Gap, encode, json};
use domain::AlertType;

const ALERT_V2: &str = include_str!("fixtures/evolution/scanner.alert.raised/v2.avsc");
const GAP_V2: &str = include_str!("fixtures/evolution/market.gap.detected/v2.avsc");

/// Schema id of the second version.
const NEWER: u32 = 99;

fn example<E: Event>(name: &str) -> E {
    let example = valid_examples().into_iter().find(|example| example.name.ends_with(name)).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

/// Encodes an event and reads it with the schema `reader`.
fn read_by<E: Event>(reader: &str, event: &E) -> Vec<(String, Value)> {
    let mut payload = Vec::new();
    encode(event, OWN, &mut payload).unwrap();
    let reader = Schema::parse_str(reader).unwrap();
    let writer = contracts::codec::schema::<E>();
    let datum = GenericDatumReader::builder(writer).reader_schema(&reader).build().unwrap();
    match datum.read_value(&mut &payload[5..]).unwrap() {
        Value::Record(fields) => fields,
        other => panic!("{other:?} is not a record"),
    }
}

/// Returns a payload of the second version: the event as its reader reads it, with changed fields.
fn written_by<E: Event>(writer: &str, event: &E, changed: &[(&str, Value)]) -> Vec<u8> {
    let mut fields = read_by(writer, event);
    for (name, value) in changed {
        fields.iter_mut().find(|(field, _)| field == name).unwrap().1 = value.clone();
    }
    let schema = Schema::parse_str(writer).unwrap();
    let datum = GenericDatumWriter::builder(&schema).build().unwrap();
    let mut payload = vec![0, 0, 0, 0, 99];
    payload.extend(datum.write_value_to_vec(Value::Record(fields)).unwrap());
    payload
}

fn field<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// Both versions of each subject.
fn versions() -> [(&'static str, &'static str); 2] {
    [(Alert::SCHEMA, ALERT_V2), (Gap::SCHEMA, GAP_V2)]
}

#[test]
fn second_version_is_compatible_in_both_directions() {
    for (one, two) in versions() {
        assert_eq!(is_full_transitive(&[one], two), Ok(()));
        assert_eq!(is_full_transitive(&[one, two], one), Ok(()), "and back");
    }
}

#[test]
fn int_to_long_is_incompatible_with_both_versions() {
    let widened = |text: &str| {
        text.replace(r#""name": "priority", "type": "int""#, r#""name": "priority", "type": "long""#)
    };
    for old in [Gap::SCHEMA, GAP_V2] {
        assert_ne!(widened(old), old);
        let reasons = is_full_transitive(&[Gap::SCHEMA, GAP_V2], &widened(old)).unwrap_err();
        for version in ["version 1: ", "version 2: "] {
            assert!(reasons.iter().any(|reason| reason.starts_with(version)), "{version} in {reasons:?}");
        }
    }
}

#[test]
fn added_field_without_default_is_incompatible() {
    let bare = ALERT_V2.replace(r#""type": ["null", "double"], "default": null"#, r#""type": "double""#);
    assert_ne!(bare, ALERT_V2);
    let reasons = is_full(Alert::SCHEMA, &bare).unwrap_err();
    assert!(reasons.iter().any(|reason| reason.contains("confidence")), "{reasons:?}");
}

#[test]
fn first_version_reads_records_of_the_second() {
    let writers = Registry::default().with(NEWER, ALERT_V2);
    let alert: Alert = example("scanner.alert.raised/volume_spike");
    let confident = Value::Union(1, Box::new(Value::Double(0.5)));
    // The new symbol changed the index of the old one.
    for (index, symbol, read) in
        [(34, "volume_spike", AlertType::VolumeSpike), (22, "short_squeeze", AlertType::Unknown)]
    {
        let changed =
            [("alert_type", Value::Enum(index, symbol.to_owned())), ("confidence", confident.clone())];
        let payload = written_by(ALERT_V2, &alert, &changed);
        let expected = Alert { alert_type: read, metadata: [].into(), ..alert.clone() };
        assert_eq!(Codec::new().decode(payload.as_slice(), &writers), Ok(expected), "{symbol}");
    }

    let gap: Gap = example("market.gap.detected/news_of_a_day");
    let writers = Registry::default().with(NEWER, GAP_V2);
    let changed =
        [("data_type", Value::Enum(5, "order_book".to_owned())), ("expected_bars", Value::Int(390))];
    let payload = written_by(GAP_V2, &gap, &changed);
    let expected = Gap { data_type: DataKind::Unknown, correlation_id: None, ..gap };
    assert_eq!(Codec::new().read(payload.as_slice(), &writers), Ok(expected));
}

#[test]
fn second_version_reads_records_of_the_first() {
    let alert: Alert = example("scanner.alert.raised/volume_spike");
    let read = read_by(ALERT_V2, &alert);
    assert_eq!(field(&read, "confidence"), Some(&Value::Union(0, Box::new(Value::Null))));
    assert_eq!(field(&read, "metadata"), None);
    assert_eq!(field(&read, "symbol"), Some(&Value::String(alert.symbol)));
    assert!(matches!(field(&read, "alert_type"), Some(Value::Enum(_, name)) if name == "volume_spike"));

    let gap: Gap = example("market.gap.detected/news_of_a_day");
    let read = read_by(GAP_V2, &gap);
    assert_eq!(field(&read, "expected_bars"), Some(&Value::Int(0)));
    assert_eq!(field(&read, "priority"), Some(&Value::Int(gap.priority)));
}
