//! Laws of the codec over arbitrary events and arbitrary bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;
mod events;

use common::{OWN, Registry};
use contracts::catalogue::contracts;
use contracts::finding::{Defaults, parse};
use contracts::{Codec, Event, Vector, encode, json, partition_for};
use domain::Timestamp;
use proptest::prelude::*;

/// Encodes and decodes, to JSON and back; cut short and prolonged it is refused.
fn survives<E: Event + PartialEq + std::fmt::Debug>(event: &E, cut: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(event.validate(), Ok(()));
    let writers = Registry::of(E::SCHEMA);
    let codec = Codec::new();
    let mut payload = Vec::new();
    encode(event, OWN, &mut payload).unwrap();
    prop_assert_eq!(&codec.decode::<E>(payload.as_slice(), &writers).unwrap(), event);
    // Nothing at all is another fault than too little.
    let shorter = &payload[..1 + cut % (payload.len() - 1)];
    prop_assert_eq!(codec.read::<E>(shorter, &writers).unwrap_err().class(), "truncated");
    payload.push(0);
    prop_assert_eq!(codec.read::<E>(payload.as_slice(), &writers).unwrap_err().class(), "trailing_bytes");
    let text = serde_json::to_vec(&json::to_json(event)).unwrap();
    prop_assert_eq!(&json::from_json::<E>(&text).unwrap(), event);
    Ok(())
}

macro_rules! every_valid_event_survives {
    ($($name:ident: $strategy:expr;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]
            $(
                #[test]
                fn $name(event in $strategy, cut in any::<usize>()) {
                    survives(&event, cut)?;
                }
            )+
        }
    };
}

every_valid_event_survives! {
    every_alert_survives: events::alert();
    every_proposal_survives: events::proposal();
    every_qualification_survives: events::qualification();
    every_promotion_survives: events::promotion();
    every_gap_survives: events::gap();
    every_feature_request_survives: events::feature_request();
    every_vector_survives: events::vector();
    every_request_failure_survives: events::request_failure();
    every_range_request_survives: events::range_request();
    every_range_progress_survives: events::range_progress();
    every_coverage_change_survives: events::coverage_change();
    every_range_completion_survives: events::range_completion();
    every_range_failure_survives: events::range_failure();
    every_closed_bar_survives: events::closed_bar();
    every_news_item_survives: events::news_item();
    every_corporate_action_survives: events::corporate_action();
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
        let codec = Codec::new();
        for contract in contracts() {
            let writers = Registry::of(contract.schema);
            let header = if whole { &[][..] } else { &[0, 0, 0, 0, 7][..] };
            let payload = [header, &body].concat();
            // It may happen to be an event; a panic or an endless allocation is what would fail.
            drop(contract.decode_to_json(&codec, Some(&payload), &writers));
        }
    }

    #[test]
    fn arbitrary_bytes_of_a_foreign_writer_are_refused_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let newer = Vector::SCHEMA.replace(r#"{"name": "bars_held","#, r#"{"name": "x", "type": "int"}, {"name": "bars_held","#);
        let payload = [&[0, 0, 0, 0, 7][..], &body].concat();
        drop(Codec::new().decode::<Vector>(payload.as_slice(), &Registry::of(&newer)));
    }

    #[test]
    fn a_flipped_bit_is_refused_or_read_without_a_panic(event in events::vector(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut payload = Vec::new();
        encode(&event, OWN, &mut payload).unwrap();
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let writers = Registry::of(Vector::SCHEMA);
        drop(Codec::new().decode::<Vector>(payload.as_slice(), &writers));
    }

    #[test]
    fn arbitrary_text_is_no_finding_but_never_a_panic(text in ".{0,200}") {
        let defaults = Defaults { now: Timestamp::from_micros(0), source: "s" };
        prop_assert!(parse(text.as_bytes(), &defaults).is_err());
    }

    #[test]
    fn a_partition_is_one_of_those_there_are(key in prop::collection::vec(any::<u8>(), 0..40), count in 1..=i32::MAX) {
        prop_assert!((0..count).contains(&partition_for(&key, count)));
    }
}
