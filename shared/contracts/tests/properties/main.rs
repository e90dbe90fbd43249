//! Properties of the codec for arbitrary events and arbitrary bytes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod events;

use common::{OWN, Registry};
use contracts::catalogue::contracts;
use contracts::finding::{Defaults, parse};
use contracts::{Codec, Event, Vector, encode, json, partition_for};
use domain::Timestamp;
use proptest::prelude::*;

/// Checks that an event round-trips through Avro and JSON, and that its payload is rejected if truncated or extended.
fn round_trips<E: Event + PartialEq + std::fmt::Debug>(event: &E, cut: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(event.validate(), Ok(()));
    let writers = Registry::of(E::SCHEMA);
    let codec = Codec::new();
    let mut payload = Vec::new();
    encode(event, OWN, &mut payload).unwrap();
    prop_assert_eq!(&codec.decode::<E>(payload.as_slice(), &writers).unwrap(), event);
    // At least one byte: an empty payload has another error.
    let shorter = &payload[..1 + cut % (payload.len() - 1)];
    prop_assert_eq!(codec.read::<E>(shorter, &writers).unwrap_err().class(), "truncated");
    payload.push(0);
    prop_assert_eq!(codec.read::<E>(payload.as_slice(), &writers).unwrap_err().class(), "trailing_bytes");
    let text = serde_json::to_vec(&json::to_json(event)).unwrap();
    prop_assert_eq!(&json::from_json::<E>(&text).unwrap(), event);
    Ok(())
}

macro_rules! valid_events_round_trip {
    ($($name:ident: $strategy:expr;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]
            $(
                #[test]
                fn $name(event in $strategy, cut in any::<usize>()) {
                    round_trips(&event, cut)?;
                }
            )+
        }
    };
}

valid_events_round_trip! {
    alert_round_trips: events::alert();
    proposal_round_trips: events::proposal();
    qualification_round_trips: events::qualification();
    promotion_round_trips: events::promotion();
    gap_round_trips: events::gap();
    feature_request_round_trips: events::feature_request();
    vector_round_trips: events::vector();
    request_failure_round_trips: events::request_failure();
    range_request_round_trips: events::range_request();
    range_progress_round_trips: events::range_progress();
    coverage_change_round_trips: events::coverage_change();
    range_completion_round_trips: events::range_completion();
    range_failure_round_trips: events::range_failure();
    closed_bar_round_trips: events::closed_bar();
    news_item_round_trips: events::news_item();
    corporate_action_round_trips: events::corporate_action();
}

proptest! {
    #[test]
    fn arbitrary_bytes_cause_no_panic(body in prop::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
        let codec = Codec::new();
        for contract in contracts() {
            let writers = Registry::of(contract.schema);
            let header = if whole { &[][..] } else { &[0, 0, 0, 0, 7][..] };
            let payload = [header, &body].concat();
            // The bytes can be an event by chance. A panic or an unlimited allocation fails the test.
            drop(contract.decode_to_json(&codec, Some(&payload), &writers));
        }
    }

    #[test]
    fn arbitrary_bytes_of_another_schema_cause_no_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let newer = Vector::SCHEMA.replace(r#"{"name": "bars_held","#, r#"{"name": "x", "type": "int"}, {"name": "bars_held","#);
        let payload = [&[0, 0, 0, 0, 7][..], &body].concat();
        drop(Codec::new().decode::<Vector>(payload.as_slice(), &Registry::of(&newer)));
    }

    #[test]
    fn flipped_bit_causes_no_panic(event in events::vector(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut payload = Vec::new();
        encode(&event, OWN, &mut payload).unwrap();
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let writers = Registry::of(Vector::SCHEMA);
        drop(Codec::new().decode::<Vector>(payload.as_slice(), &writers));
    }

    #[test]
    fn arbitrary_text_is_rejected_as_a_finding(text in ".{0,200}") {
        let defaults = Defaults { now: Timestamp::from_micros(0), source: "s" };
        let violation = parse(text.as_bytes(), &defaults).unwrap_err();
        prop_assert_eq!(violation.event, "finding");
    }

    #[test]
    fn partition_is_below_the_count(key in prop::collection::vec(any::<u8>(), 0..40), count in 1..=i32::MAX) {
        prop_assert!((0..count).contains(&partition_for(&key, count)));
    }
}
