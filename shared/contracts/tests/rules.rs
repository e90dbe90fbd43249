//! Rules that depend on more than the event (clock, partition), record keys, topics, and ids.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use common::valid_examples;
use contracts::catalogue::contract;
use contracts::ids::{backfill_id, event_id};
use contracts::{
    BackfillErrorClass, BackfillTrigger, ClosedBar, CoverageChange, DataKind, Event, FeatureRequest,
    RangeRequest, RequestErrorClass, RequestFailure, RequestedSymbol, SetStatus, Topic, json, partition_for,
};
use domain::{AlertType, DataType, Interval, IntervalSet, Layer, Symbol, Timestamp};

fn example<E: Event>(name: &str) -> E {
    let example = valid_examples().into_iter().find(|example| example.name == name).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn examples_are_in_the_partition_of_their_symbols() {
    let request: FeatureRequest = example("feature.batch.requested/two_symbols_of_a_partition");
    assert_eq!(request.check_placement(partition_for(b"AAPL", 12), 12), Ok(()));
    let request: FeatureRequest = example("feature.batch.urgent/three_symbols");
    assert_eq!(request.check_placement(partition_for(b"AMZN", 12), 12), Ok(()));
}

#[test]
fn request_with_symbol_of_another_partition_is_misplaced() {
    let mut request: FeatureRequest = example("feature.batch.requested/two_symbols_of_a_partition");
    let own = partition_for(b"AAPL", 12);
    request.symbols.push(RequestedSymbol { symbol: "MSFT".to_owned(), first_seen: 0, occurred_at: 0 });
    let error = request.check_placement(own, 12).unwrap_err();
    assert_eq!(
        error.to_string(),
        "feature.batch.requested: symbols[2].symbol: MSFT belongs to partition 6 of 12, not 9"
    );
    let mut failure: RequestFailure = example("feature.request.failed/expired");
    assert_eq!(failure.check_placement(own, 12), Ok(()));
    failure.symbols.push("MSFT".to_owned());
    assert_eq!(
        failure.check_placement(own, 12).unwrap_err().to_string(),
        "feature.request.failed: symbols[2]: MSFT belongs to partition 6 of 12, not 9"
    );
}

#[test]
fn range_end_too_far_ahead_of_the_clock_is_rejected() {
    let request: RangeRequest = example("backfill.range.requested/qualified");
    assert_eq!(request.check_clock(at("2024-03-15T19:55:00Z")), Ok(()));
    let ahead = RangeRequest { end: at("2024-03-15T20:00:00.000001Z").micros(), ..request };
    assert_eq!(
        ahead.check_clock(at("2024-03-15T19:55:00Z")).unwrap_err().to_string(),
        "backfill.range.requested: end: 2024-03-15T20:00:00.000001Z is more than 5 min ahead of the clock, \
         2024-03-15T19:55:00Z"
    );
}

#[test]
fn urgent_requests_have_their_own_topic() {
    let request: FeatureRequest = example("feature.batch.requested/one_symbol");
    let topic = |priority| FeatureRequest { priority, ..request.clone() }.topic();
    assert_eq!(topic(7), Topic::BatchRequested);
    assert_eq!(topic(8), Topic::BatchUrgent);
    let urgent = contract(Topic::BatchUrgent).unwrap();
    let text = json::to_json(&request).to_string();
    assert_eq!(
        urgent.encode_from_json(text.as_bytes(), 1, &mut Vec::new()).unwrap_err().to_string(),
        "feature.batch.requested: does not belong to feature.batch.urgent.v1"
    );
}

#[test]
fn keys_of_compacted_topics_identify_the_record() {
    let bar: ClosedBar = example("market.bar.closed/day");
    assert_eq!(bar.key(), "AAPL|1day|1710475200000000");
    let coverage: CoverageChange = example("backfill.coverage.changed/two_spans");
    assert_eq!(coverage.key(), "NVDA|market_data|1day");
    let request: FeatureRequest = example("feature.batch.urgent/three_symbols");
    assert_eq!(request.key(), "AMZN");
}

#[test]
fn coverage_round_trips_through_spans() {
    let coverage: CoverageChange = example("backfill.coverage.changed/two_spans");
    let set = coverage.coverage().unwrap();
    assert!(set.contains(at("2024-03-15T20:00:00Z")), "the span includes its end");
    assert!(!set.contains(at("2024-03-15T20:00:00.000001Z")));
    let back: Vec<_> = set.iter().map(contracts::Span::from).collect();
    assert_eq!(back, coverage.intervals);
    let touching: IntervalSet = [
        Interval::from_inclusive(at("2024-01-01T00:00:00Z"), at("2024-01-01T23:59:59.999999Z")).unwrap(),
        Interval::from_inclusive(at("2024-01-02T00:00:00Z"), at("2024-01-02T00:00:00Z")).unwrap(),
    ]
    .into_iter()
    .collect();
    let intervals = touching.iter().map(contracts::Span::from).collect();
    assert_eq!(CoverageChange { intervals, ..coverage }.validate(), Ok(()), "spans of a set do not touch");
}

#[test]
fn backfill_id_does_not_depend_on_data_type_order() {
    let symbol = Symbol::parse("NVDA").unwrap();
    let (start, end) = (at("2022-03-15T00:00:00Z"), at("2024-03-15T20:00:00Z"));
    let id = |types: &[DataType], trigger| {
        backfill_id(symbol, Layer::Catalyst, types, (start, end), trigger, false)
    };
    let qualified = id(&[DataType::News, DataType::MarketData], BackfillTrigger::Qualified);
    // Computed with Python's uuid.uuid5. The id must never change.
    assert_eq!(qualified, "3acf27b8-3188-5bc1-ab5c-e95216d49a57");
    assert_eq!(
        id(&[DataType::MarketData, DataType::News, DataType::News], BackfillTrigger::Qualified),
        qualified
    );
    assert_ne!(id(&[DataType::MarketData], BackfillTrigger::Qualified), qualified);
    assert_ne!(id(&[DataType::News, DataType::MarketData], BackfillTrigger::Manual), qualified);
    let kinds = [DataType::MarketData, DataType::News];
    let trigger = BackfillTrigger::Qualified;
    let refetched = backfill_id(symbol, Layer::Catalyst, &kinds, (start, end), trigger, true);
    assert_eq!(refetched, "806d0e2b-ca6d-57f9-9099-dcb3baa8cdd8");
}

#[test]
fn event_ids_are_unique_and_sort_by_creation() {
    let ids: Vec<String> = (0..1_000).map(|_| event_id()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
}

/// Returns the symbols of the first enum with this name in a schema.
fn symbols(schema: &serde_json::Value, name: &str) -> Option<Vec<String>> {
    if schema["name"] == name
        && let Some(symbols) = schema["symbols"].as_array()
    {
        return Some(symbols.iter().map(|symbol| symbol.as_str().unwrap().to_owned()).collect());
    }
    match schema {
        serde_json::Value::Array(items) => items.iter().find_map(|item| symbols(item, name)),
        serde_json::Value::Object(fields) => fields.values().find_map(|field| symbols(field, name)),
        _ => None,
    }
}

#[test]
fn enums_equal_those_of_the_schemas() {
    let kinds: Vec<&str> = DataKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let enums = [
        ("AlertType", AlertType::ALL.map(AlertType::as_str).to_vec()),
        ("DataType", kinds),
        ("SetStatus", SetStatus::ALL.iter().map(|status| status.as_str()).collect()),
        ("RequestErrorClass", RequestErrorClass::ALL.iter().map(|class| class.as_str()).collect()),
        ("BackfillErrorClass", BackfillErrorClass::ALL.iter().map(|class| class.as_str()).collect()),
        ("BackfillTrigger", BackfillTrigger::ALL.iter().map(|trigger| trigger.as_str()).collect()),
    ];
    for (name, expected) in enums {
        let mut found = 0;
        for contract in contracts::catalogue::contracts() {
            let schema = serde_json::from_str(contract.schema).unwrap();
            if let Some(symbols) = symbols(&schema, name) {
                assert_eq!(symbols, expected, "{name} in {}", contract.topic);
                found += 1;
            }
        }
        assert!(found > 0, "{name} is in no schema");
    }
}

#[test]
fn each_data_type_has_a_kind() {
    for data_type in DataType::ALL {
        assert_eq!(DataKind::from(data_type).known(), Some(data_type));
    }
    assert_eq!(DataKind::Unknown.known(), None);
}
