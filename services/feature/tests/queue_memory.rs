//! Memory of queued requests. The binary has one test, since it measures the process.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use chassis::memory::used_bytes;
use contracts::{FeatureRequest, RequestedSymbol};
use domain::{FeatureSet, Symbol, Timestamp};
use feature::intake::{Lane, LaneLimits, RequestQueue, request_bytes};
use feature::stage::{ORDINARY_BYTES_MAX, URGENT_BYTES_MAX};
use hosting::of_stage;
use kafka_io::KafkaConfig;

const SYMBOLS: usize = 100;

/// Returns a request of the maximum number of symbols, of which each has an alert.
fn request(number: usize) -> FeatureRequest {
    let text = |kind: &str| format!("{kind}-{number:031}");
    let symbol =
        |index: usize| RequestedSymbol { symbol: format!("A{index:03}"), first_seen: 0, occurred_at: 0 };
    FeatureRequest {
        event_id: text("event"),
        occurred_at: 0,
        source: "scanner-bridge".to_owned(),
        correlation_id: Some(text("event")),
        request_id: text("event"),
        symbols: (0..SYMBOLS).map(symbol).collect(),
        feature_sets: FeatureSet::ALL.iter().map(|set| set.as_str().to_owned()).collect(),
        timeframe: "1min".to_owned(),
        priority: 5,
        requester: "scanner-bridge".to_owned(),
        source_scanners: vec!["volume".to_owned()],
        correlation_ids: (0..SYMBOLS).map(|index| text(&format!("{index:03}"))).collect(),
        requested_at: 0,
    }
}

#[test]
fn queued_requests_use_at_most_the_memory_that_is_summed() {
    let limits = LaneLimits { requests: usize::MAX, bytes: ORDINARY_BYTES_MAX };
    let mut queue = RequestQueue::new(limits, limits);
    let before = used_bytes().unwrap();
    while !queue.is_full(Lane::Ordinary) {
        let request = request(queue.len(Lane::Ordinary));
        let bytes = request_bytes(&request);
        let computed = vec![(Symbol::parse("AAPL").unwrap(), Timestamp::from_micros(0)); SYMBOLS];
        queue.push(Lane::Ordinary, Vec::new(), 5, ((request, computed), bytes));
    }
    let used = usize::try_from(used_bytes().unwrap().saturating_sub(before)).unwrap();
    assert!(
        (ORDINARY_BYTES_MAX / 2..=queue.bytes(Lane::Ordinary)).contains(&used),
        "{used} bytes of {ORDINARY_BYTES_MAX}"
    );
    let parts = of_stage("feature", &KafkaConfig::default(), 2, 3);
    let held = parts.iter().find(|part| part.name == "feature: held records").unwrap();
    assert!((ORDINARY_BYTES_MAX + URGENT_BYTES_MAX) as u64 <= held.bytes, "{held}");
}
