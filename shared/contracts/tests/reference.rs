//! The reference of events: every record, field and enum value has a text.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use contracts::catalogue::contracts;
use contracts::reference::{EventReference, RecordReference};

/// The envelope, in the order of every schema.
const ENVELOPE: [&str; 4] = ["event_id", "occurred_at", "source", "correlation_id"];

fn records(reference: &EventReference) -> impl Iterator<Item = &RecordReference> {
    std::iter::once(&reference.record).chain(&reference.records)
}

/// Returns the paths of a schema that have no text.
fn undocumented(reference: &EventReference) -> Vec<String> {
    let mut paths = Vec::new();
    for record in records(reference) {
        let fields =
            record.fields.iter().map(|field| (format!("{}.{}", record.name, field.name), &field.doc));
        let texts = std::iter::once((record.name.clone(), &record.doc)).chain(fields);
        paths.extend(texts.filter(|(_, doc)| doc.is_empty()).map(|(path, _)| path));
    }
    for symbols in reference.enums.iter().filter(|symbols| symbols.name != "AlertType") {
        let values = symbols.values.iter().map(|(value, doc)| (format!("{}.{value}", symbols.name), doc));
        let texts = std::iter::once((symbols.name.clone(), &symbols.doc)).chain(values);
        paths.extend(texts.filter(|(_, doc)| doc.is_empty()).map(|(path, _)| path));
    }
    paths
}

#[test]
fn every_field_of_every_schema_has_a_text() {
    for contract in contracts() {
        assert_eq!(undocumented(&contract.reference()), <Vec<String>>::new(), "{}", contract.topic);
    }
}

#[test]
fn texts_are_markdown_without_links_to_code() {
    for reference in contracts().map(|contract| contract.reference()) {
        for record in records(&reference) {
            for doc in record.fields.iter().map(|field| &field.doc).chain([&record.doc]) {
                assert!(doc.ends_with('.'), "{}: {doc:?}", record.name);
                assert!(!doc.contains("]("), "{}: {doc:?}", record.name);
                assert!(!doc.contains("[`"), "{}: {doc:?}", record.name);
            }
        }
    }
}

#[test]
fn every_schema_begins_with_the_envelope() {
    for contract in contracts() {
        let record = contract.reference().record;
        let names: Vec<&str> = record.fields.iter().take(4).map(|field| field.name.as_str()).collect();
        assert_eq!(names, ENVELOPE, "{}", contract.topic);
    }
}

#[test]
fn fields_with_a_default_may_be_omitted_in_json() {
    for contract in contracts() {
        let reference = contract.reference();
        let violation_of = |json: &serde_json::Value| {
            let json = serde_json::to_vec(json).unwrap();
            contract.encode_from_json(&json, 1, &mut Vec::new()).unwrap_err().to_string()
        };
        // Serde reports the first missing field in the order of the schema.
        let mut json = serde_json::json!({});
        for field in reference.record.fields.iter().filter(|field| field.default.is_none()) {
            let violation = violation_of(&json);
            assert!(violation.ends_with(&format!(": missing field `{}`", field.name)), "{violation}");
            json[&field.name] = placeholder(&field.avro_type);
        }
        let violation = violation_of(&json);
        assert!(violation.ends_with("\"x\" is not a UUID"), "{violation}");
    }
}

/// A value with the JSON type of a field.
fn placeholder(avro_type: &str) -> serde_json::Value {
    match avro_type {
        "string" => "x".into(),
        "long (timestamp-micros)" => "2024-03-15T20:00:00Z".into(),
        "int (date)" => "2024-03-15".into(),
        "int" | "long" | "double" => 1.into(),
        "boolean" => true.into(),
        "AlertType" | "DataType" | "RequestErrorClass" | "BackfillErrorClass" | "BackfillTrigger" => {
            "unknown".into()
        }
        other if other.starts_with("array of ") => serde_json::json!([]),
        other if other.starts_with("map of ") => serde_json::json!({}),
        other => panic!("no placeholder of type {other}"),
    }
}
