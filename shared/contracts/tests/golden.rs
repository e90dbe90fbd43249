//! Every example of every schema: the valid ones survive the way to Avro and back, the invalid ones say what is wrong.

mod common;

use common::{OWN, Registry, invalid_examples, schemas, valid_examples};
use contracts::catalogue::{contract, contracts};
use contracts::{Codec, Topic};

#[test]
fn every_event_has_two_valid_examples_and_one_invalid_one() {
    for topic in Topic::ALL.iter().filter(|topic| !topic.is_dead_letter()) {
        let valid = valid_examples().iter().filter(|example| example.topic == *topic).count();
        let invalid = invalid_examples().iter().filter(|example| example.topic == *topic).count();
        assert!(valid >= 2 && invalid >= 1, "{topic}: {valid} valid, {invalid} invalid");
    }
}

#[test]
fn valid_examples_survive_the_way_to_avro_and_back() {
    let codec = Codec::new();
    let mut payload = Vec::new();
    for example in valid_examples() {
        let contract = contract(example.topic).unwrap();
        let writers = Registry::of(contract.schema);
        contract
            .encode_from_json(example.text.as_bytes(), OWN, &mut payload)
            .unwrap_or_else(|fault| panic!("{}: {fault}", example.name));
        let back = contract
            .decode_to_json(&codec, Some(&payload), &writers)
            .unwrap_or_else(|fault| panic!("{}: {fault}", example.name));
        assert_eq!(back, example.value(), "{}", example.name);
    }
}

#[test]
fn invalid_examples_are_refused_with_event_path_and_cause() {
    let mut wrong = Vec::new();
    for example in invalid_examples() {
        let case = example.value();
        assert_eq!(case["event"], example.topic.event(), "{}", example.name);
        let contract = contract(example.topic).unwrap();
        let value = serde_json::to_vec(&case["value"]).unwrap();
        let said = match contract.encode_from_json(&value, OWN, &mut Vec::new()) {
            Ok(()) => "nothing".to_owned(),
            Err(fault) => fault.to_string(),
        };
        if case["fault"] != said {
            wrong.push(format!("{}\n  said:     {said}\n  expected: {}", example.name, case["fault"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_of_every_topic_is_the_one_in_its_folder() {
    for contract in contracts() {
        let path = schemas().join(contract.topic.event()).join("v1.avsc");
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(contract.schema, committed, "{}", path.display());
    }
}

#[test]
fn every_folder_of_schemas_belongs_to_a_topic() {
    for entry in std::fs::read_dir(schemas()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(Topic::from_event(&name).is_some(), "schemas/{name} is of no event");
    }
}
