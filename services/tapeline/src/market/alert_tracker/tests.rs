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
    let asked =
        |symbol: &&str| RequestedSymbol { symbol: (*symbol).to_owned(), first_seen: 0, occurred_at: 0 };
    FeatureRequest {
        event_id: String::new(),
        occurred_at: 0,
        source: "test".to_owned(),
        correlation_id: None,
        request_id: id.to_owned(),
        symbols: symbols.iter().map(asked).collect(),
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
fn an_alert_goes_from_unread_to_ended() {
    let mut flow = Flow::default();
    let place = (3, 14);
    assert_eq!(flow.progress(place), Progress::Unread);
    flow.alert(place, alert("a", "AAPL"));
    assert_eq!(flow.progress(place), Progress::NotAsked);
    flow.request(request("r", &["AAPL", "MSFT"], &["a", "b"]));
    assert_eq!(flow.progress(place), Progress::Asked);
    flow.vector(vector("r", "MSFT"));
    assert_eq!(flow.progress(place), Progress::Asked);
    flow.vector(vector("r", "AAPL"));
    assert_eq!(flow.progress(place), Progress::Ended);
}

#[test]
fn topics_may_be_read_in_any_order() {
    let mut flow = Flow::default();
    flow.vector(vector("r", "AAPL"));
    flow.request(request("r", &["AAPL"], &["a"]));
    flow.alert((0, 0), alert("a", "AAPL"));
    assert_eq!(flow.progress((0, 0)), Progress::Ended);
}

#[test]
fn alerts_that_one_vector_answers_end_together_whichever_is_forgotten_first() {
    let mut flow = Flow::default();
    flow.alert((0, 0), alert("a", "AAPL"));
    flow.alert((0, 1), alert("b", "AAPL"));
    flow.request(request("r", &["AAPL"], &["a", "b"]));
    flow.vector(vector("r", "AAPL"));
    assert_eq!(flow.progress((0, 0)), Progress::Ended);
    flow.forget((0, 0));
    assert_eq!(flow.progress((0, 1)), Progress::Ended);
}

#[test]
fn alerts_of_one_correlation_id_end_each_by_its_own_symbol() {
    let mut flow = Flow::default();
    flow.alert((0, 0), alert("a", "AAPL"));
    flow.alert((1, 0), alert("a", "MSFT"));
    flow.request(request("r", &["AAPL"], &["a"]));
    flow.request(request("s", &["MSFT"], &["a"]));
    flow.vector(vector("r", "AAPL"));
    assert_eq!((flow.progress((0, 0)), flow.progress((1, 0))), (Progress::Ended, Progress::Asked));
    flow.forget((0, 0));
    assert_eq!(flow.progress((1, 0)), Progress::Asked);
    flow.vector(vector("s", "MSFT"));
    assert_eq!(flow.progress((1, 0)), Progress::Ended);
}

#[test]
fn nothing_is_held_of_what_is_forgotten() {
    let mut flow = Flow::default();
    for round in 0..10 {
        let ids = ["a", "b", "c"].map(|id| format!("{id}{round}"));
        for (i, id) in (0..).zip(&ids) {
            flow.alert((0, 10 * round + i), alert(id, "AAPL"));
        }
        let named: Vec<&str> = ids.iter().map(String::as_str).collect();
        // The same request twice, as after a crash without transactions.
        flow.request(request(&format!("r{round}"), &["AAPL"], &named));
        flow.request(request(&format!("r{round}"), &["AAPL"], &named));
        flow.vector(vector(&format!("r{round}"), "AAPL"));
        (0..3).for_each(|i| flow.forget((0, 10 * round + i)));
    }
    assert_eq!((flow.alerts.len(), flow.named.len(), flow.requests.len()), (0, 0, 0));
}
