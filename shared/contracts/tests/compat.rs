//! Which schemas may follow which, and that the versions in `schemas/` do.

mod common;

use common::schemas;
use contracts::Topic;
use contracts::catalogue::contracts;
use contracts::compat::{is_full, is_full_transitive};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","namespace":"n","fields":[{fields}]}}"#)
}

fn field(schema: &str) -> String {
    record(&format!(r#"{{"name":"f","type":{schema}}}"#))
}

fn enum_of(symbols: &str, default: &str) -> String {
    field(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{default}}}"#))
}

#[test]
fn every_version_of_a_schema_may_follow_all_earlier_ones() {
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
            "{}: the newest is embedded",
            contract.topic
        );
        assert_eq!(is_full(contract.schema, contract.schema), Ok(()));
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let count =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "avsc")).count();
        assert_eq!(count, versions.len(), "{}: versions are numbered without a gap", contract.topic);
    }
}

#[test]
fn no_schema_is_of_an_event_that_is_none() {
    for entry in std::fs::read_dir(schemas()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(Topic::from_event(&name).is_some(), "schemas/{name}");
    }
}

#[test]
fn both_topics_of_feature_requests_have_one_schema() {
    let text = |event: &str| std::fs::read_to_string(schemas().join(event).join("v1.avsc")).unwrap();
    assert_eq!(text("feature.batch.requested"), text("feature.batch.urgent"));
}

#[test]
fn a_field_with_a_default_may_come_and_go() {
    let (one, two) = (
        record(r#"{"name":"a","type":"int"}"#),
        record(r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#),
    );
    assert_eq!(is_full(&one, &two), Ok(()));
    assert_eq!(is_full(&two, &one), Ok(()));
}

#[test]
fn a_field_without_a_default_may_neither_come_nor_go() {
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
fn an_int_may_not_become_a_long_nor_a_long_an_int() {
    for (old, new) in [
        ("\"int\"", "\"long\""),
        ("\"long\"", "\"int\""),
        ("\"float\"", "\"double\""),
        ("\"int\"", "\"double\""),
    ] {
        assert!(is_full(&field(old), &field(new)).is_err(), "{old} to {new}");
    }
}

#[test]
fn an_enum_may_grow_only_when_it_has_a_default() {
    let default = r#","default":"a""#;
    assert_eq!(is_full(&enum_of(r#""a","b""#, default), &enum_of(r#""c","a","b""#, default)), Ok(()));
    assert!(is_full(&enum_of(r#""a","b""#, ""), &enum_of(r#""a","b","c""#, "")).is_err());
    assert!(
        is_full(&enum_of(r#""a","b""#, ""), &enum_of(r#""a","b","c""#, default)).is_err(),
        "old readers have none"
    );
    assert_eq!(is_full(&enum_of(r#""a","b""#, ""), &enum_of(r#""b","a""#, "")), Ok(()));
}

#[test]
fn a_union_may_neither_grow_nor_shrink() {
    let (one, two) = (field(r#"["null","int"]"#), field(r#"["null","int","string"]"#));
    assert!(is_full(&one, &two).is_err());
    assert!(is_full(&two, &one).is_err());
    assert!(is_full(&field("\"int\""), &one).is_err(), "old readers cannot read null");
}

#[test]
fn a_number_may_not_come_to_count_something_else() {
    let micros = field(r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    let millis = field(r#"{"type":"long","logicalType":"timestamp-millis"}"#);
    assert_eq!(is_full(&micros, &millis).unwrap_err(), ["f changed from TimestampMicros to TimestampMillis"]);
    assert!(is_full(&micros, &field("\"long\"")).is_err());
    let nested = |inner: &str| field(&format!(r#"{{"type":"array","items":["null",{inner}]}}"#));
    assert!(
        is_full(&nested(r#"{"type":"long","logicalType":"timestamp-micros"}"#), &nested("\"long\"")).is_err()
    );
}

#[test]
fn a_record_keeps_its_name() {
    let renamed = field("\"int\"").replace("\"R\"", "\"Q\"");
    assert!(is_full(&field("\"int\""), &renamed).unwrap_err()[0].contains("n.Q"));
    let moved = field("\"int\"").replace("\"n\"", "\"m\"");
    assert!(is_full(&field("\"int\""), &moved).unwrap_err()[0].contains("m.R"));
}

#[test]
fn a_text_that_is_no_schema_is_told() {
    assert!(is_full("{", &field("\"int\"")).unwrap_err()[0].starts_with("failed to parse the old schema"));
    assert!(
        is_full(&field("\"int\""), "\"made_up\"").unwrap_err()[0]
            .starts_with("failed to parse the new schema")
    );
}

#[test]
fn every_earlier_version_counts_not_the_last_alone() {
    let one = record(r#"{"name":"a","type":"int","default":0}"#);
    let two = record("");
    let three = record(r#"{"name":"a","type":"string","default":""}"#);
    assert_eq!(is_full(&two, &three), Ok(()));
    let reasons = is_full_transitive(&[&one, &two], &three).unwrap_err();
    assert!(reasons.iter().all(|reason| reason.starts_with("version 1: ")), "{reasons:?}");
}
