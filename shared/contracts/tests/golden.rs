//! Examples of every schema: valid examples round-trip through Avro, invalid examples are rejected with the expected violation.

mod common;

use common::{OWN, Registry, invalid_examples, schemas, valid_examples};
use contracts::catalogue::contract;
use contracts::{Codec, Topic};

#[test]
fn each_event_has_two_valid_examples_and_an_invalid_one() {
    for topic in Topic::ALL.iter().filter(|topic| !topic.is_dead_letter()) {
        let valid = valid_examples().iter().filter(|example| example.topic == *topic).count();
        let invalid = invalid_examples().iter().filter(|example| example.topic == *topic).count();
        assert!(valid >= 2 && invalid >= 1, "{topic}: {valid} valid, {invalid} invalid");
    }
}

#[test]
fn valid_examples_round_trip_through_avro() {
    let codec = Codec::new();
    let mut payload = Vec::new();
    for example in valid_examples() {
        let contract = contract(example.topic).unwrap();
        let writers = Registry::of(contract.schema);
        contract
            .encode_from_json(example.text.as_bytes(), OWN, &mut payload)
            .unwrap_or_else(|error| panic!("{}: {error}", example.name));
        let back = contract
            .decode_to_json(&codec, Some(&payload), &writers)
            .unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert_eq!(back, example.value(), "{}", example.name);
    }
}

#[test]
fn invalid_examples_are_rejected_with_their_violation() {
    let mut wrong = Vec::new();
    for example in invalid_examples() {
        let case = example.value();
        assert_eq!(case["event"], example.topic.event(), "{}", example.name);
        let contract = contract(example.topic).unwrap();
        let value = serde_json::to_vec(&case["value"]).unwrap();
        let actual = match contract.encode_from_json(&value, OWN, &mut Vec::new()) {
            Ok(()) => "no violation".to_owned(),
            Err(error) => error.to_string(),
        };
        if case["fault"] != actual {
            wrong.push(format!("{}\n  actual:   {actual}\n  expected: {}", example.name, case["fault"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn schema_folders_belong_to_topics() {
    for entry in std::fs::read_dir(schemas()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(Topic::from_event(&name).is_some(), "schemas/{name} belongs to no event");
    }
}
