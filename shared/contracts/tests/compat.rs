//! Compatible and incompatible schema changes, and the versions in `schemas/`.

mod common;

use common::schemas;
use contracts::catalogue::contracts;
use contracts::compat::{is_full, is_full_transitive};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","namespace":"n","fields":[{fields}]}}"#)
}

fn field(schema: &str) -> String {
    record(&format!(r#"{{"name":"f","type":{schema}}}"#))
}

/// The readers that cannot read all values of the other version: `new`, `old`, or both.
fn failing_readers(old: &str, new: &str) -> Vec<String> {
    let reasons = is_full(old, new).expect_err("an incompatible change");
    let readers = reasons.iter().filter_map(|reason| reason.split_once(" readers, "));
    readers.map(|(readers, _)| readers.to_owned()).collect()
}

fn enum_of(symbols: &str, default: &str) -> String {
    field(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{default}}}"#))
}

#[test]
fn schema_versions_are_compatible_with_all_earlier_ones() {
    for contract in contracts() {
        let folder = schemas().join(contract.topic.event());
        let mut versions: Vec<String> = Vec::new();
        while let Ok(text) = std::fs::read_to_string(folder.join(format!("v{}.avsc", versions.len() + 1))) {
            let earlier: Vec<&str> = versions.iter().map(String::as_str).collect();
            assert_eq!(
                is_full_transitive(&earlier, &text),
                Ok(()),
                "{} v{}",
                contract.topic,
                versions.len() + 1
            );
            versions.push(text);
        }
        assert_eq!(
            versions.last().map(String::as_str),
            Some(contract.schema),
            "{}: the newest version is embedded",
            contract.topic
        );
        assert_eq!(is_full(contract.schema, contract.schema), Ok(()));
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let count =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "avsc")).count();
        assert_eq!(count, versions.len(), "{}: the version numbers have no gap", contract.topic);
    }
}

#[test]
fn both_feature_request_topics_share_one_schema() {
    let text = |event: &str| std::fs::read_to_string(schemas().join(event).join("v1.avsc")).unwrap();
    assert_eq!(text("feature.batch.requested"), text("feature.batch.urgent"));
}

#[test]
fn field_with_default_can_be_added_and_removed() {
    let (one, two) = (
        record(r#"{"name":"a","type":"int"}"#),
        record(r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#),
    );
    assert_eq!(is_full(&one, &two), Ok(()));
    assert_eq!(is_full(&two, &one), Ok(()));
}

#[test]
fn field_without_default_cannot_be_added_or_removed() {
    let (one, two) = (
        record(r#"{"name":"a","type":"int"}"#),
        record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#),
    );
    for (old, new) in [(&one, &two), (&two, &one)] {
        let reasons = is_full(old, new).unwrap_err();
        assert_eq!(reasons.len(), 1);
        assert!(reasons[0].contains('b'), "{reasons:?}");
    }
}

#[test]
fn number_type_change_is_incompatible() {
    for (old, new, is_widened) in [
        ("\"int\"", "\"long\"", true),
        ("\"long\"", "\"int\"", false),
        ("\"float\"", "\"double\"", true),
        ("\"int\"", "\"double\"", true),
    ] {
        let expected = if is_widened { "old" } else { "new" };
        assert_eq!(failing_readers(&field(old), &field(new)), [expected], "{old} to {new}");
    }
}

#[test]
fn enum_can_grow_only_with_a_default() {
    let default = r#","default":"a""#;
    assert_eq!(is_full(&enum_of(r#""a","b""#, default), &enum_of(r#""c","a","b""#, default)), Ok(()));
    let old = enum_of(r#""a","b""#, "");
    assert_eq!(failing_readers(&old, &enum_of(r#""a","b","c""#, "")), ["old"]);
    assert_eq!(failing_readers(&old, &enum_of(r#""a","b","c""#, default)), ["old"], "no default there");
    assert_eq!(is_full(&enum_of(r#""a","b""#, ""), &enum_of(r#""b","a""#, "")), Ok(()));
}

#[test]
fn union_cannot_grow_or_shrink() {
    let (one, two) = (field(r#"["null","int"]"#), field(r#"["null","int","string"]"#));
    assert_eq!(failing_readers(&one, &two), ["old"]);
    assert_eq!(failing_readers(&two, &one), ["new"]);
    assert_eq!(failing_readers(&field("\"int\""), &one), ["old"], "they cannot read null");
}

#[test]
fn logical_type_change_is_incompatible() {
    let micros = field(r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    let millis = field(r#"{"type":"long","logicalType":"timestamp-millis"}"#);
    assert_eq!(is_full(&micros, &millis).unwrap_err(), ["f changed from TimestampMicros to TimestampMillis"]);
    assert_eq!(is_full(&micros, &field("\"long\"")).unwrap_err(), ["f changed from TimestampMicros to Long"]);
    let nested = |inner: &str| field(&format!(r#"{{"type":"array","items":["null",{inner}]}}"#));
    let nested_micros = nested(r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    let reasons = is_full(&nested_micros, &nested("\"long\"")).unwrap_err();
    assert_eq!(reasons, ["f changed from TimestampMicros to Long"]);
}

#[test]
fn record_rename_is_incompatible() {
    let renamed = field("\"int\"").replace("\"R\"", "\"Q\"");
    assert!(is_full(&field("\"int\""), &renamed).unwrap_err()[0].contains("n.Q"));
    let moved = field("\"int\"").replace("\"n\"", "\"m\"");
    assert!(is_full(&field("\"int\""), &moved).unwrap_err()[0].contains("m.R"));
}

#[test]
fn unparsable_schema_is_reported() {
    assert!(is_full("{", &field("\"int\"")).unwrap_err()[0].starts_with("failed to parse the old schema"));
    assert!(
        is_full(&field("\"int\""), "\"made_up\"").unwrap_err()[0]
            .starts_with("failed to parse the new schema")
    );
}

#[test]
fn every_earlier_version_is_checked() {
    let one = record(r#"{"name":"a","type":"int","default":0}"#);
    let two = record("");
    let three = record(r#"{"name":"a","type":"string","default":""}"#);
    assert_eq!(is_full(&two, &three), Ok(()));
    let reasons = is_full_transitive(&[&one, &two], &three).unwrap_err();
    assert!(reasons.iter().all(|reason| reason.starts_with("version 1: ")), "{reasons:?}");
}
