//! Bytes that are not what they should be, and bytes that others wrote.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{OWN, Registry, valid_examples};
use contracts::catalogue::contract;
use contracts::{Alert, Codec, DecodeError, Event, Gap, encode, json, split};

fn alert() -> Alert {
    let example =
        valid_examples().into_iter().find(|example| example.name.ends_with("/volume_spike")).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

fn encoded() -> Vec<u8> {
    let mut payload = Vec::new();
    encode(&alert(), OWN, &mut payload).unwrap();
    payload
}

fn decode(payload: &[u8]) -> Result<Alert, DecodeError> {
    Codec::new().decode(payload, &Registry::of(Alert::SCHEMA))
}

#[test]
fn an_event_is_decoded_as_it_was_encoded() {
    assert_eq!(decode(&encoded()), Ok(alert()));
}

#[test]
fn encoding_clears_the_buffer_first() {
    let mut payload = vec![1, 2, 3];
    encode(&alert(), OWN, &mut payload).unwrap();
    assert_eq!(payload, encoded());
}

#[test]
fn an_event_that_no_topic_takes_is_not_encoded() {
    let mut payload = Vec::new();
    let large = Alert { message: "x".repeat(1_000_000), ..alert() };
    let fault = encode(&large, OWN, &mut payload).unwrap_err();
    assert!(fault.to_string().starts_with("scanner.alert.raised: 1000"), "{fault}");
    assert!(payload.is_empty());
}

#[test]
fn a_body_cut_off_anywhere_is_refused_as_truncated() {
    for example in valid_examples() {
        let contract = contract(example.topic).unwrap();
        let writers = Registry::of(contract.schema);
        let mut payload = Vec::new();
        contract.encode_from_json(example.text.as_bytes(), OWN, &mut payload).unwrap();
        let codec = Codec::new();
        for length in 1..payload.len() {
            let fault = contract.decode_to_json(&codec, Some(&payload[..length]), &writers).unwrap_err();
            assert_eq!(fault.class(), "truncated", "{} at {length}: {fault}", example.name);
        }
    }
}

#[test]
fn a_body_that_goes_on_after_its_end_is_refused() {
    let mut payload = encoded();
    payload.extend_from_slice(&[0, 0, 0]);
    assert_eq!(decode(&payload), Err(DecodeError::TrailingBytes { bytes: 3 }));
}

#[test]
fn every_way_to_be_no_event_has_its_class() {
    let writers = Registry::of(Alert::SCHEMA).with(8, Gap::SCHEMA).with(9, r#""string""#);
    let codec = Codec::new();
    let class = |payload: Option<&[u8]>| codec.decode::<Alert>(payload, &writers).unwrap_err().class();
    assert_eq!(class(None), "tombstone");
    assert_eq!(class(Some(&[])), "empty");
    assert_eq!(class(Some(&[0])), "truncated");
    assert_eq!(class(Some(&[0, 0, 0, 0])), "truncated");
    assert_eq!(class(Some(b"{\"event\":1}")), "bad_magic");
    assert_eq!(class(Some(&[0, 0, 0, 0, 1, 2])), "unknown_schema");
    assert_eq!(class(Some(&[0, 0, 0, 0, 8, 2])), "wrong_subject");
    assert_eq!(class(Some(&[0, 0, 0, 0, 9, 2])), "wrong_subject");
    assert_eq!(class(Some(&vec![0; 1_000_001])), "too_large");
    // A string that claims 2^30 bytes, in a body of five.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 0x80, 0x80, 0x80, 0x80, 0x08])), "impossible_length");
    // A string of -1 bytes.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 1, 0, 0, 0])), "impossible_length");
    // A string that isn't UTF-8.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 2, 0xff, 0, 0])), "invalid_utf8");
    // A union of two that has no third variant, behind an empty id, an instant and an empty source.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 0, 0, 0, 4, 0])), "malformed");
}

#[test]
fn a_broken_rule_is_found_when_decoding() {
    let mut payload = Vec::new();
    encode(&Alert { score: f64::NAN, ..alert() }, OWN, &mut payload).unwrap();
    let fault = decode(&payload).unwrap_err();
    assert_eq!(fault.class(), "invalid");
    assert_eq!(fault.to_string(), "scanner.alert.raised: score: NaN is outside 0..=1");
    let read: Alert = Codec::new().read(payload.as_slice(), &Registry::of(Alert::SCHEMA)).unwrap();
    assert!(read.score.is_nan(), "whoever only looks sees it as it is");
}

#[test]
fn a_header_is_the_id_in_four_bytes_behind_a_zero() {
    assert_eq!(split(&[0, 0, 1, 0, 2, 9]), Ok((65_538, &[9][..])));
}
