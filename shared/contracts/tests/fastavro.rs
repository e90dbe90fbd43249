//! Decoding of bodies that fastavro wrote. `tests/fastavro/check.py` tests the other direction.

mod common;

use std::collections::BTreeMap;

use common::{OWN, Registry, from_hex, valid_examples};
use contracts::Codec;
use contracts::catalogue::contract;

#[test]
fn fastavro_bodies_decode_to_the_examples() {
    let written: serde_json::Value = serde_json::from_str(include_str!("fastavro/written.json")).unwrap();
    let mut bodies: BTreeMap<String, String> = serde_json::from_value(written["bodies"].clone()).unwrap();
    // Bodies of earlier versions, `NAME v1`, are tested in `tests/versions.rs`.
    bodies.retain(|name, _| !name.contains(' '));
    let codec = Codec::new();
    for example in valid_examples() {
        let contract = contract(example.topic).unwrap();
        let hex = bodies
            .remove(&example.name)
            .unwrap_or_else(|| panic!("{} is missing: run make.py", example.name));
        let mut payload = vec![0];
        payload.extend_from_slice(&OWN.to_be_bytes());
        payload.extend_from_slice(&from_hex(&hex));
        let read = contract
            .decode_to_json(&codec, Some(&payload), &Registry::of(contract.schema))
            .unwrap_or_else(|error| panic!("{}: {error}", example.name));
        assert_eq!(read, example.value(), "{}", example.name);
    }
    assert!(bodies.is_empty(), "bodies without an example: {:?}", bodies.keys());
}
