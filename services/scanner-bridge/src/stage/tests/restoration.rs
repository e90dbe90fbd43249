//! Restoration: the next owner of the partitions requests nothing twice and omits nothing.

use std::collections::BTreeSet;

use super::*;

const MINUTE_MICROS: i64 = 60_000_000;

/// The next owner of all partitions, which restores these requests, appended at `appended`.
fn successor(requests: &[OutRecord], appended: Now) -> Bench {
    let mut next = unassigned();
    for request in requests {
        next.restore(request, appended, appended);
    }
    let inputs = next.inputs();
    next.assign(&inputs, appended);
    next
}

fn at_offset(bench: &mut Bench, offset: i64, alert: &Alert, at: Now) -> Verdict<OutRecord> {
    bench.set_next_offset(offset);
    bench.process(alert, at)
}

#[test]
fn window_is_restored_by_the_next_owner() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    let requests = bench.outputs_at(now(50));
    let mut next = successor(&requests, now(60));
    let again = alert("two", "AAPL", "momentum", 0.5);
    assert!(matches!(at_offset(&mut next, 2, &again, now(1_000)), Verdict::Drop(DUPLICATE)));
    let higher = alert("three", "AAPL", "momentum", 0.6);
    assert!(matches!(at_offset(&mut next, 3, &higher, now(1_000)), Verdict::Hold));
    let joined = next.outputs_at(now(2_000));
    assert_eq!(header(&joined[0], request::WINDOWS), "0j3", "the window was opened by another alert");
    // The window expires 6 min after its first request by the clock, for every owner.
    let expired = now(60 + 360_000);
    let mut third = successor(&[requests, joined].concat(), now(60));
    assert!(matches!(at_offset(&mut third, 4, &again, expired), Verdict::Hold));
    assert!(matches!(at_offset(&mut next, 4, &again, expired), Verdict::Hold));
}

#[test]
fn restored_alerts_expire_in_an_idle_hour() {
    let mut bench = bench();
    hold_alerts(&mut bench, 300);
    bench.run_idle(Duration::ZERO, Duration::from_secs(60));
    let requests: Vec<_> = bench.emitted().into_iter().flat_map(|emitted| emitted.outputs).collect();
    let mut next = successor(&requests, now(60_000));
    assert!(!next.stage.dedup.is_empty());
    next.run_idle(Duration::from_secs(60), Duration::from_secs(3_600));
    assert!(next.stage.dedup.is_empty());
}

#[test]
fn redelivered_alert_passes_after_a_later_urgent_request() {
    let mut bench = bench();
    let ordinary = alert("ordinary", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&ordinary, now(0)), Verdict::Hold));
    assert!(matches!(
        bench.process(&alert("urgent", "AAPL", "catalyst_detected", 0.5), now(0)),
        Verdict::Hold
    ));
    let requests = bench.outputs_at(now(1));
    assert_eq!((requests.len(), requests[0].topic), (1, Topic::BatchUrgent), "the ordinary one is held");

    let mut next = successor(&requests, now(2));
    assert!(matches!(at_offset(&mut next, 1, &ordinary, now(10)), Verdict::Hold));
    let third = alert("third", "AAPL", "momentum", 0.7);
    assert!(
        matches!(at_offset(&mut next, 3, &third, now(10)), Verdict::Drop(DUPLICATE)),
        "all sets were requested"
    );
    let again = next.outputs_at(now(100));
    assert_eq!(header(&again[0], request::WINDOWS), "0o1");
}

#[test]
fn redelivered_alert_of_a_committed_request_is_a_duplicate() {
    let mut bench = bench();
    let one = alert("one", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&one, now(0)), Verdict::Hold));
    let requests = bench.outputs_at(now(50));
    let mut next = successor(&requests, now(60));
    assert!(matches!(at_offset(&mut next, 1, &one, now(70)), Verdict::Drop(DUPLICATE)));
}

#[test]
fn alert_without_window_is_not_restored() {
    let mut bench = bench();
    let manual = alert("manual", "AAPL", "manual", 0.5);
    let first = alert("first", "MSFT", "momentum", 0.5);
    let older =
        Alert { occurred_at: START_MICROS - 2 * MINUTE_MICROS, ..alert("old", "MSFT", "momentum", 0.5) };
    for alert in [&manual, &first, &older] {
        assert!(matches!(bench.process(alert, now(0)), Verdict::Hold));
    }
    let requests = bench.outputs_at(now(50));
    assert!(requests.len() >= 2);
    let mut next = successor(&requests, now(60));
    let all_sets = alert("new", "AAPL", "catalyst_detected", 0.2);
    assert!(matches!(at_offset(&mut next, 4, &all_sets, now(100)), Verdict::Hold));
    assert!(matches!(at_offset(&mut next, 5, &older, now(100)), Verdict::Hold), "as in the first owner");
    assert!(matches!(at_offset(&mut next, 6, &first, now(100)), Verdict::Drop(DUPLICATE)));
}

#[test]
fn abandoned_restoration_leaves_no_windows() {
    let mut bench = bench();
    let one = alert("one", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&one, now(0)), Verdict::Hold));
    let request = bench.outputs_at(now(50)).remove(0);
    let mut next = successor(std::slice::from_ref(&request), now(60));
    next.stage.restore_abandoned(request.partition);
    assert!(matches!(at_offset(&mut next, 2, &one, now(70)), Verdict::Hold));
}

#[test]
fn invalid_and_foreign_requests_are_counted() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    let request = bench.outputs_at(now(50)).remove(0);
    let mut cut = request.clone();
    cut.payload.truncate(20);
    let without_header = OutRecord { headers: Vec::new(), ..request.clone() };
    let invalid = without_header.clone().with_header(request::WINDOWS, "9o1");
    let decoded: FeatureRequest = bench.decode(&request);
    let foreign = FeatureRequest { requester: "other".into(), ..decoded };
    let foreign = bench.wire.write(&foreign, None).unwrap().with_header(request::WINDOWS, "0o1");
    let mut next = successor(&[cut, without_header, invalid, foreign], now(60));
    let counted =
        [names::RESTORE_APPLIED, names::RESTORE_SKIPPED, names::RESTORE_FOREIGN].map(|it| next.note(it.name));
    assert_eq!(counted, [1, 2, 1]);
    assert!(matches!(
        at_offset(&mut next, 2, &alert("two", "AAPL", "momentum", 0.5), now(70)),
        Verdict::Hold
    ));
}

/// `count` different symbols of three characters.
fn symbols(count: usize) -> impl Iterator<Item = String> {
    let letters = || b'A'..=b'Z';
    let all = letters().flat_map(move |a| letters().map(move |b| [b'A', a, b]));
    all.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).take(count)
}

#[test]
fn drain_releases_alerts_without_tokens_to_the_next_owner() {
    let mut bench = bench();
    let alerts: Vec<Alert> = symbols(650).map(|symbol| alert(&symbol, &symbol, "momentum", 0.5)).collect();
    let mut offsets = std::collections::BTreeMap::new();
    for alert in &alerts {
        assert!(matches!(bench.process(alert, now(0)), Verdict::Hold));
        offsets.insert(bench.last_offset(), alert.clone());
    }
    let inputs = bench.inputs();
    let (mut requests, mut released) = (Vec::new(), Vec::new());
    for tick in 0..=120 {
        let at = now(tick * 10);
        bench.tick(at);
        bench.drain(&inputs, at);
        for effect in bench.effects() {
            match effect {
                Effect::Emit { outputs, .. } => requests.extend(outputs),
                Effect::Release { ids } => {
                    assert_eq!(at.monotonic, DRAIN_WAIT_MAX);
                    released.extend(ids);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        (50..=200).contains(&released.len()),
        "{} of 650: 100 at once, 500 in the second",
        released.len()
    );
    assert_eq!((bench.note(names::WAITING_ALERTS.name), bench.held().len()), (0, 0));

    let mut next = successor(&requests, now(1_300));
    for id in &released {
        assert!(matches!(at_offset(&mut next, id.offset, &offsets[&id.offset], now(1_300)), Verdict::Hold));
    }
    for tick in 0..10 {
        requests.extend(next.outputs_at(now(2_000 + tick * 200)));
    }
    let requested: Vec<String> =
        requests.iter().flat_map(|output| bench.decode::<FeatureRequest>(output).correlation_ids).collect();
    assert_eq!(requested.len(), 650);
    assert_eq!(requested.into_iter().collect::<BTreeSet<_>>(), symbols(650).collect());
}
