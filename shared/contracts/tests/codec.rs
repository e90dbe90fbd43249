//! Decode errors of invalid payloads.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

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
fn encoded_event_decodes_to_itself() {
    assert_eq!(decode(&encoded()), Ok(alert()));
}

#[test]
fn encoding_clears_the_buffer() {
    let mut payload = vec![1, 2, 3];
    encode(&alert(), OWN, &mut payload).unwrap();
    assert_eq!(payload, encoded());
}

#[test]
fn event_above_the_payload_limit_is_not_encoded() {
    let mut payload = Vec::new();
    let large = Alert { message: "x".repeat(1_000_000), ..alert() };
    let error = encode(&large, OWN, &mut payload).unwrap_err();
    assert!(error.to_string().starts_with("scanner.alert.raised: 1000"), "{error}");
    assert!(payload.is_empty());
}

#[test]
fn truncated_body_is_rejected_at_every_length() {
    for example in valid_examples() {
        let contract = contract(example.topic).unwrap();
        let writers = Registry::of(contract.schema);
        let mut payload = Vec::new();
        contract.encode_from_json(example.text.as_bytes(), OWN, &mut payload).unwrap();
        let codec = Codec::new();
        for length in 1..payload.len() {
            let error = contract.decode_to_json(&codec, Some(&payload[..length]), &writers).unwrap_err();
            assert_eq!(error.class(), "truncated", "{} at {length}: {error}", example.name);
        }
    }
}

#[test]
fn trailing_bytes_are_rejected() {
    let mut payload = encoded();
    payload.extend_from_slice(&[0, 0, 0]);
    assert_eq!(decode(&payload), Err(DecodeError::TrailingBytes { bytes: 3 }));
}

#[test]
fn each_decode_error_has_its_class() {
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
    // A string with declared length 2^30 in a body of five bytes.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 0x80, 0x80, 0x80, 0x80, 0x08])), "impossible_length");
    // A string with length -1.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 1, 0, 0, 0])), "impossible_length");
    // A string that is not UTF-8.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 2, 0xff, 0, 0])), "invalid_utf8");
    // The third variant of a union of two, after an empty id, an instant and an empty source.
    assert_eq!(class(Some(&[0, 0, 0, 0, 7, 0, 0, 0, 4, 0])), "malformed");
}

#[test]
fn decode_checks_rules_and_read_does_not() {
    let mut payload = Vec::new();
    encode(&Alert { score: f64::NAN, ..alert() }, OWN, &mut payload).unwrap();
    let error = decode(&payload).unwrap_err();
    assert_eq!(error.class(), "invalid");
    assert_eq!(error.to_string(), "scanner.alert.raised: score: NaN is outside 0..=1");
    let read: Alert = Codec::new().read(payload.as_slice(), &Registry::of(Alert::SCHEMA)).unwrap();
    assert!(read.score.is_nan(), "`read` does not check rules");
}

#[test]
fn header_is_a_zero_byte_and_the_schema_id() {
    assert_eq!(split(&[0, 0, 1, 0, 2, 9]), Ok((65_538, &[9][..])));
}
