//! The count can fail: each kind of fault is seen, and nothing else is.

use super::*;
use domain::FeatureSet;

const WINDOW_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

fn sets(names: &[&str]) -> FeatureSets {
    names.iter().filter_map(|name| FeatureSet::from_name(name)).collect()
}

fn alert(i: i64) -> AlertSeen {
    AlertSeen {
        correlation_id: format!("alert-{i}"),
        symbol: Symbol::parse("AAPL").unwrap(),
        sets: sets(&["price_features", "volume_features"]),
        priority: 7,
        is_manual: false,
        occurred_at_micros: i * DAY_MICROS,
        partition: 3,
        offset: i,
        appended_at_ms: 1_000 * i,
    }
}

/// Ten alerts, a day apart; each with its request and its vector.
fn clean() -> Seen {
    let mut seen = Seen::default();
    for i in 0..10 {
        let alert = alert(i);
        seen.requests.push(RequestSeen {
            request_id: format!("request-{i}"),
            symbols: vec![alert.symbol],
            sets: alert.sets,
            priority: alert.priority,
            correlation_ids: vec![alert.correlation_id.clone()],
            offset: 100 + i,
        });
        seen.ends.push(EndSeen {
            request_id: format!("request-{i}"),
            symbol: alert.symbol,
            vector_offset: Some(200 + i),
            appended_at_ms: 1_000 * i + 40,
        });
        seen.alerts.push(alert);
    }
    seen
}

fn lost_doubled_reordered(seen: &Seen) -> (u64, u64, u64) {
    let count = count(seen, WINDOW_MICROS);
    (count.lost, count.doubled, count.reordered)
}

fn number_vectors_anew(seen: &mut Seen) {
    for (end, offset) in seen.ends.iter_mut().zip(200..) {
        end.vector_offset = Some(offset);
    }
}

#[test]
fn a_clean_run_counts_zero_and_measures_latency() {
    let count = count(&clean(), WINDOW_MICROS);
    assert_eq!((count.lost, count.doubled, count.reordered), (0, 0, 0), "{:?}", count.examples);
    assert_eq!(count.latencies_ms, [40; 10]);
}

#[test]
fn one_dropped_one_doubled_two_swapped_count_one_each() {
    let mut seen = clean();
    seen.ends.remove(1);
    let doubled = seen.ends[3].clone();
    seen.ends.insert(4, doubled);
    seen.ends.swap(7, 8);
    number_vectors_anew(&mut seen);
    assert_eq!(lost_doubled_reordered(&seen), (1, 1, 1));
}

#[test]
fn a_dropped_request_a_doubled_request_and_swapped_requests_are_seen() {
    let mut seen = clean();
    seen.requests.remove(2);
    assert_eq!(lost_doubled_reordered(&seen), (1, 0, 0));

    let mut seen = clean();
    let again = RequestSeen { request_id: "request-2b".into(), offset: 150, ..seen.requests[2].clone() };
    let end = EndSeen { request_id: "request-2b".into(), vector_offset: Some(250), ..seen.ends[2].clone() };
    seen.requests.push(again);
    seen.ends.push(end);
    assert_eq!(lost_doubled_reordered(&seen), (0, 1, 0));

    let mut seen = clean();
    seen.requests[4].offset = 105;
    seen.requests[5].offset = 104;
    seen.requests.swap(4, 5);
    seen.ends.swap(4, 5);
    number_vectors_anew(&mut seen);
    assert_eq!(lost_doubled_reordered(&seen), (0, 0, 1));
}

#[test]
fn an_alert_that_its_window_covers_is_not_lost() {
    let mut seen = clean();
    let covered = AlertSeen {
        correlation_id: "again".into(),
        occurred_at_micros: 9 * DAY_MICROS + WINDOW_MICROS,
        offset: 10,
        ..alert(9)
    };
    seen.alerts.push(covered.clone());
    assert_eq!(lost_doubled_reordered(&seen), (0, 0, 0));

    let cases = [
        AlertSeen { occurred_at_micros: covered.occurred_at_micros + 1, ..covered.clone() },
        AlertSeen { occurred_at_micros: 9 * DAY_MICROS - WINDOW_MICROS - 1, ..covered.clone() },
        AlertSeen { priority: 8, ..covered.clone() },
        AlertSeen { sets: sets(&["price_features", "momentum_features"]), ..covered.clone() },
        AlertSeen { is_manual: true, ..covered.clone() },
    ];
    for owed in cases {
        *seen.alerts.last_mut().unwrap() = owed.clone();
        assert_eq!(lost_doubled_reordered(&seen), (1, 0, 0), "{owed:?}");
    }
}

#[test]
fn a_failure_is_an_end_and_has_no_place_in_the_order() {
    let mut seen = clean();
    seen.ends[5].vector_offset = None;
    assert_eq!(lost_doubled_reordered(&seen), (0, 0, 0));
    assert_eq!(count(&seen, WINDOW_MICROS).latencies_ms.len(), 9);
}
