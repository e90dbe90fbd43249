//! Tests of the alert tracker.

use std::collections::BTreeMap;

use super::*;
use contracts::RequestedSymbol;
use domain::AlertType;

fn alert(id: &str, symbol: &str) -> Alert {
    Alert {
        event_id: id.to_owned(),
        occurred_at: 0,
        source: "test".to_owned(),
        correlation_id: None,
        symbol: symbol.to_owned(),
        alert_type: AlertType::VolumeSpike,
        score: 0.5,
        message: String::new(),
        source_scanner: String::new(),
        metadata: BTreeMap::new(),
    }
}

fn request(id: &str, symbols: &[&str], ids: &[&str]) -> FeatureRequest {
    let requested =
        |symbol: &&str| RequestedSymbol { symbol: (*symbol).to_owned(), first_seen: 0, occurred_at: 0 };
    FeatureRequest {
        event_id: String::new(),
        occurred_at: 0,
        source: "test".to_owned(),
        correlation_id: None,
        request_id: id.to_owned(),
        symbols: symbols.iter().map(requested).collect(),
        feature_sets: Vec::new(),
        timeframe: "1day".to_owned(),
        priority: 5,
        requester: String::new(),
        source_scanners: Vec::new(),
        correlation_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        requested_at: 0,
    }
}

fn vector(request: &str, symbol: &str) -> Vector {
    Vector {
        event_id: String::new(),
        occurred_at: 0,
        source: "test".to_owned(),
        correlation_id: None,
        request_id: request.to_owned(),
        symbol: symbol.to_owned(),
        timeframe: "1day".to_owned(),
        as_of: 0,
        bars_held: 0,
        priority: 5,
        sets: BTreeMap::new(),
        computation_micros: 0,
    }
}

#[test]
fn alert_goes_from_unread_to_resolved() {
    let mut tracker = AlertTracker::default();
    let position = (3, 14);
    assert_eq!(tracker.state(position), AlertState::Unread);
    tracker.alert(position, alert("a", "AAPL"));
    assert_eq!(tracker.state(position), AlertState::NotRequested);
    tracker.request(request("r", &["AAPL", "MSFT"], &["a", "b"]));
    assert_eq!(tracker.state(position), AlertState::Requested);
    tracker.vector(vector("r", "MSFT"));
    assert_eq!(tracker.state(position), AlertState::Requested);
    tracker.vector(vector("r", "AAPL"));
    assert_eq!(tracker.state(position), AlertState::Resolved);
}

#[test]
fn state_does_not_depend_on_the_order_of_topics() {
    let mut tracker = AlertTracker::default();
    tracker.vector(vector("r", "AAPL"));
    tracker.request(request("r", &["AAPL"], &["a"]));
    tracker.alert((0, 0), alert("a", "AAPL"));
    assert_eq!(tracker.state((0, 0)), AlertState::Resolved);
}

#[test]
fn one_vector_resolves_all_alerts_of_its_request() {
    let mut tracker = AlertTracker::default();
    tracker.alert((0, 0), alert("a", "AAPL"));
    tracker.alert((0, 1), alert("b", "AAPL"));
    tracker.request(request("r", &["AAPL"], &["a", "b"]));
    tracker.vector(vector("r", "AAPL"));
    assert_eq!(tracker.state((0, 0)), AlertState::Resolved);
    tracker.remove((0, 0));
    assert_eq!(tracker.state((0, 1)), AlertState::Resolved);
}

#[test]
fn alerts_of_one_id_are_resolved_by_their_own_symbols() {
    let mut tracker = AlertTracker::default();
    tracker.alert((0, 0), alert("a", "AAPL"));
    tracker.alert((1, 0), alert("a", "MSFT"));
    tracker.request(request("r", &["AAPL"], &["a"]));
    tracker.request(request("s", &["MSFT"], &["a"]));
    tracker.vector(vector("r", "AAPL"));
    assert_eq!((tracker.state((0, 0)), tracker.state((1, 0))), (AlertState::Resolved, AlertState::Requested));
    tracker.remove((0, 0));
    assert_eq!(tracker.state((1, 0)), AlertState::Requested);
    tracker.vector(vector("s", "MSFT"));
    assert_eq!(tracker.state((1, 0)), AlertState::Resolved);
}

#[test]
fn removed_alerts_leave_no_state() {
    let mut tracker = AlertTracker::default();
    for round in 0..10 {
        let ids = ["a", "b", "c"].map(|id| format!("{id}{round}"));
        for (i, id) in (0..).zip(&ids) {
            tracker.alert((0, 10 * round + i), alert(id, "AAPL"));
        }
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        // The same request twice, as after a crash without transactions.
        tracker.request(request(&format!("r{round}"), &["AAPL"], &names));
        tracker.request(request(&format!("r{round}"), &["AAPL"], &names));
        tracker.vector(vector(&format!("r{round}"), "AAPL"));
        (0..3).for_each(|i| tracker.remove((0, 10 * round + i)));
    }
    assert_eq!((tracker.alerts.len(), tracker.ids.len(), tracker.requests.len()), (0, 0, 0));
}
