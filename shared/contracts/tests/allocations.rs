//! Allocations per event: nothing is built again for each of them.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use allocation_counter::measure;
use common::{OWN, Registry, valid_examples};
use contracts::{Alert, Codec, Event, Gap, Proposal, encode, json};

fn example<E: Event>() -> E {
    let example = valid_examples().into_iter().find(|example| example.topic == E::TOPIC).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

fn allocations_of_checks<E: Event>() -> u64 {
    let event: E = example();
    measure(|| event.validate().unwrap()).count_total
}

#[test]
fn rules_are_checked_without_allocation() {
    assert_eq!(allocations_of_checks::<Alert>(), 0);
    assert_eq!(allocations_of_checks::<Gap>(), 0);
    assert_eq!(allocations_of_checks::<Proposal>(), 0);
}

/// A parsed schema has hundreds of allocations, an alert one for each text and a few for its map.
#[test]
fn codec_is_built_once_for_all_events() {
    const PER_EVENT_MAX: u64 = 30;
    let (alert, codec, registry) = (example::<Alert>(), Codec::new(), Registry::of(Alert::SCHEMA));
    let mut payload = Vec::new();
    let first = measure(|| {
        encode(&alert, OWN, &mut payload).unwrap();
        codec.decode::<Alert>(payload.as_slice(), &registry).unwrap();
    });
    let second = measure(|| {
        encode(&alert, OWN, &mut payload).unwrap();
        codec.decode::<Alert>(payload.as_slice(), &registry).unwrap();
    });
    assert!(first.count_total > 10 * PER_EVENT_MAX, "{first:?}");
    assert!(second.count_total <= PER_EVENT_MAX, "{second:?}");
}
