//! The largest valid events fit a payload, so Kafka rejects no valid event.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::collections::BTreeMap;

use common::valid_examples;
use contracts::bounds::{ID_BYTES_MAX, MERGED_ALERTS_MAX, METRICS_MAX, SET_VALUES_MAX, TEXT_BYTES_MAX, cut};
use contracts::codec::PAYLOAD_BYTES_MAX;
use contracts::events::{METADATA_BYTES_MAX, SYMBOLS_MAX};
use contracts::{
    Alert, Event, FeatureRequest, Promotion, Proposal, RequestFailure, RequestedSymbol, SetResult, SetStatus,
    Vector, encode, json,
};
use domain::FeatureSet;

fn example<E: Event>(name: &str) -> E {
    let example = valid_examples().into_iter().find(|example| example.name == name).unwrap();
    json::from_json(example.text.as_bytes()).unwrap()
}

/// Returns a name of maximal length per number. Names sort like their numbers.
fn id(number: usize) -> String {
    format!("{number:0>ID_BYTES_MAX$}")
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(id).collect()
}

fn text() -> String {
    "t".repeat(TEXT_BYTES_MAX)
}

fn symbols() -> Vec<String> {
    let chars = || 'A'..='Z';
    let all = chars().flat_map(|a| chars().map(move |b| format!("ZZZ{a}{b}.AA")));
    all.take(SYMBOLS_MAX).collect()
}

fn sets() -> Vec<String> {
    let mut names: Vec<String> = FeatureSet::ALL.iter().map(|set| set.as_str().to_owned()).collect();
    names.sort();
    names
}

/// Returns the size of a valid event's payload.
fn size<E: Event>(event: &E) -> usize {
    event.validate().unwrap();
    let mut payload = Vec::new();
    encode(event, 1, &mut payload).unwrap();
    assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    payload.len()
}

#[test]
fn maximal_findings_and_announcements_fit_a_payload() {
    let alert: Alert = example("scanner.alert.raised/volume_spike");
    let alert = Alert {
        source: id(0),
        correlation_id: Some(id(1)),
        message: text(),
        source_scanner: id(2),
        metadata: [("k".to_owned(), "v".repeat(METADATA_BYTES_MAX - 1))].into(),
        ..alert
    };
    assert!(size(&alert) < 20_000);
    let metrics: BTreeMap<String, f64> = (0..METRICS_MAX).map(|number| (id(number), 1.0)).collect();
    let proposal: Proposal = example("scanner.symbol.proposed/promotion");
    assert!(size(&Proposal { reason: text(), metrics: metrics.clone(), ..proposal }) < 60_000);
    let promotion: Promotion = example("scanner.symbol.promoted/to_active");
    assert!(size(&Promotion { reason: text(), metrics, ..promotion }) < 60_000);
}

#[test]
fn maximal_request_and_failure_fit_a_payload() {
    let request: FeatureRequest = example("feature.batch.requested/one_symbol");
    let symbol = |symbol: String| RequestedSymbol { symbol, first_seen: i64::MAX / 64, occurred_at: 0 };
    let request = FeatureRequest {
        source: id(0),
        correlation_id: Some(id(1)),
        request_id: id(2),
        symbols: symbols().into_iter().map(symbol).collect(),
        feature_sets: sets(),
        requester: id(3),
        source_scanners: ids(MERGED_ALERTS_MAX),
        correlation_ids: ids(MERGED_ALERTS_MAX),
        ..request
    };
    assert!(size(&request) < 600_000);
    let failure: RequestFailure = example("feature.request.failed/duplicate");
    let failure = RequestFailure {
        request_id: id(0),
        symbols: symbols(),
        feature_sets: sets(),
        error: text(),
        earlier_request_id: Some(id(1)),
        ..failure
    };
    assert!(size(&failure) < 20_000);
}

#[test]
fn maximal_vector_fits_a_payload() {
    let vector: Vector = example("feature.vector.computed/computed_in_part");
    let result = SetResult {
        status: SetStatus::Computed,
        reason: Some(text()),
        values: (0..SET_VALUES_MAX).map(|number| (id(number), f64::MAX)).collect(),
    };
    let sets = sets().into_iter().map(|name| (name, result.clone())).collect();
    assert!(size(&Vector { request_id: id(0), sets, ..vector }) < 800_000);
}

#[test]
fn cut_text_is_valid() {
    let failure: RequestFailure = example("feature.request.failed/expired");
    let error = "é".repeat(TEXT_BYTES_MAX);
    let violation = RequestFailure { error: error.clone(), ..failure.clone() }.validate().unwrap_err();
    assert_eq!(violation.to_string(), "feature.request.failed: error: 8192 bytes, at most 4096 are allowed");
    let error = cut(&error, TEXT_BYTES_MAX).to_owned();
    assert_eq!(RequestFailure { error, ..failure }.validate(), Ok(()));
}
