//! A bridge ends and another takes its partitions: nothing is asked for once more, nothing once less.

use std::collections::BTreeSet;

use super::*;

const MINUTE_MICROS: i64 = 60_000_000;

/// Everything that leaves when time has come to `at`.
fn left(bench: &mut Bench, at: Now) -> Vec<OutRecord> {
    bench.stage.tick(at, &mut bench.effects);
    let outputs = |effect| match effect {
        Effect::Emit { outputs, .. } => outputs,
        other => panic!("{other:?}"),
    };
    bench.effects.take().into_iter().flat_map(outputs).collect()
}

fn restore(bench: &mut Bench, output: &OutRecord, appended: Now) {
    let headers: Vec<(String, Vec<u8>)> =
        output.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let record = InRecord {
        topic: output.topic,
        partition: output.partition,
        offset: 0,
        timestamp_ms: appended.wall_micros / 1_000,
        key: Some(&output.key),
        payload: Some(&output.payload),
        epoch: None,
        traceparent: None,
        headers: Headers::listed(&headers),
    };
    bench.stage.restore_record(&record, appended).unwrap();
}

/// The next owner of all partitions, which has read these requests, appended at `appended`.
fn successor(requests: &[OutRecord], appended: Now) -> Bench {
    let mut next = unassigned();
    for request in requests {
        restore(&mut next, request, appended);
    }
    for partition in 0..12 {
        next.stage.assigned(InputPartition { topic: 0, partition }, Epoch(1), appended);
    }
    next
}

fn at_offset(bench: &mut Bench, offset: i64, alert: &Alert, at: Now) -> Verdict<OutRecord> {
    bench.offset = offset - 1;
    bench.process(alert, at)
}

fn note(bench: &Bench, name: &str) -> u64 {
    bench.stage.notes().iter().find(|note| note.name.strip_prefix("tapeline_") == Some(name)).unwrap().value
}

#[test]
fn a_window_outlives_the_bridge_that_opened_it() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    let requests = left(&mut bench, now(50));
    let mut next = successor(&requests, now(60));
    let again = alert("two", "AAPL", "momentum", 0.5);
    assert!(matches!(at_offset(&mut next, 2, &again, now(1_000)), Verdict::Drop(DUPLICATE)));
    let higher = alert("three", "AAPL", "momentum", 0.6);
    assert!(matches!(at_offset(&mut next, 3, &higher, now(1_000)), Verdict::Hold));
    let joined = left(&mut next, now(2_000));
    assert_eq!(header(&joined[0], restore::MARKS), "0j3", "it knows who opened the window");
    // By the clock it ends a minute and five after the first request, whoever asks then.
    let over = now(60 + 360_000);
    let mut third = successor(&[requests, joined].concat(), now(60));
    assert!(matches!(at_offset(&mut third, 4, &again, over), Verdict::Hold));
    assert!(matches!(at_offset(&mut next, 4, &again, over), Verdict::Hold));
}

#[test]
fn an_alert_that_an_urgent_one_overtook_passes_when_it_comes_again() {
    let mut bench = bench();
    let calm = alert("calm", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&calm, now(0)), Verdict::Hold));
    assert!(matches!(bench.process(&alert("hot", "AAPL", "catalyst_detected", 0.5), now(0)), Verdict::Hold));
    let requests = left(&mut bench, now(1));
    assert_eq!((requests.len(), requests[0].topic), (1, Topic::BatchUrgent), "the calm one waits");

    let mut next = successor(&requests, now(2));
    assert!(matches!(at_offset(&mut next, 1, &calm, now(10)), Verdict::Hold));
    let third = alert("third", "AAPL", "momentum", 0.7);
    assert!(matches!(at_offset(&mut next, 3, &third, now(10)), Verdict::Drop(DUPLICATE)), "all was asked");
    let again = left(&mut next, now(100));
    assert_eq!(header(&again[0], restore::MARKS), "0o1");
}

#[test]
fn what_left_and_comes_again_all_the_same_is_covered_by_itself() {
    let mut bench = bench();
    let one = alert("one", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&one, now(0)), Verdict::Hold));
    let requests = left(&mut bench, now(50));
    let mut next = successor(&requests, now(60));
    assert!(matches!(at_offset(&mut next, 1, &one, now(70)), Verdict::Drop(DUPLICATE)));
}

#[test]
fn what_stood_outside_of_windows_is_not_restored() {
    let mut bench = bench();
    let manual = alert("manual", "AAPL", "manual", 0.5);
    let first = alert("first", "MSFT", "momentum", 0.5);
    let older =
        Alert { occurred_at: WALL_MICROS - 2 * MINUTE_MICROS, ..alert("old", "MSFT", "momentum", 0.5) };
    for alert in [&manual, &first, &older] {
        assert!(matches!(bench.process(alert, now(0)), Verdict::Hold));
    }
    let requests = left(&mut bench, now(50));
    assert!(requests.len() >= 2);
    let mut next = successor(&requests, now(60));
    let all_sets = alert("new", "AAPL", "catalyst_detected", 0.2);
    assert!(matches!(at_offset(&mut next, 4, &all_sets, now(100)), Verdict::Hold));
    assert!(matches!(at_offset(&mut next, 5, &older, now(100)), Verdict::Hold), "as the first bridge would");
    assert!(matches!(at_offset(&mut next, 6, &first, now(100)), Verdict::Drop(DUPLICATE)));
}

#[test]
fn a_partition_that_goes_before_it_is_restored_leaves_nothing() {
    let mut bench = bench();
    let one = alert("one", "AAPL", "momentum", 0.5);
    assert!(matches!(bench.process(&one, now(0)), Verdict::Hold));
    let request = left(&mut bench, now(50)).remove(0);
    let mut next = successor(std::slice::from_ref(&request), now(60));
    next.stage.restore_abandoned(request.partition);
    assert!(matches!(at_offset(&mut next, 2, &one, now(70)), Verdict::Hold));
}

#[test]
fn requests_that_say_nothing_to_it_are_counted() {
    let mut bench = bench();
    assert!(matches!(bench.process(&alert("one", "AAPL", "momentum", 0.5), now(0)), Verdict::Hold));
    let request = left(&mut bench, now(50)).remove(0);
    let mut cut = request.clone();
    cut.payload.truncate(20);
    let unmarked = OutRecord { headers: Vec::new(), ..request.clone() };
    let unreadable = unmarked.clone().with_header(restore::MARKS, "9o1");
    let decoded: FeatureRequest =
        contracts::Codec::new().decode(request.payload.as_slice(), &OwnSchemas).unwrap();
    let foreign = FeatureRequest { requester: "somebody".into(), ..decoded };
    let foreign = bench.wire.write(&foreign, None).unwrap().with_header(restore::MARKS, "0o1");
    let mut next = successor(&[cut, unmarked, unreadable, foreign], now(60));
    let counted =
        ["restore_applied_records_total", "restore_skipped_records_total", "restore_foreign_records_total"]
            .map(|name| note(&next, name));
    assert_eq!(counted, [1, 2, 1]);
    assert!(matches!(
        at_offset(&mut next, 2, &alert("two", "AAPL", "momentum", 0.5), now(70)),
        Verdict::Hold
    ));
}

/// Three letters, as many as asked for.
fn symbols(count: usize) -> impl Iterator<Item = String> {
    let letters = || b'A'..=b'Z';
    let all = letters().flat_map(move |a| letters().map(move |b| [b'A', a, b]));
    all.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).take(count)
}

#[test]
fn a_drain_gives_back_what_finds_no_tokens_within_a_second_and_the_next_owner_asks_for_the_rest() {
    let mut bench = bench();
    let alerts: Vec<Alert> = symbols(650).map(|symbol| alert(&symbol, &symbol, "momentum", 0.5)).collect();
    let mut offsets = std::collections::BTreeMap::new();
    for alert in &alerts {
        assert!(matches!(bench.process(alert, now(0)), Verdict::Hold));
        offsets.insert(bench.offset, alert.clone());
    }
    let sources: Vec<InputPartition> =
        (0..12).map(|partition| InputPartition { topic: 0, partition }).collect();
    let (mut requests, mut released) = (Vec::new(), Vec::new());
    for tick in 0..=120 {
        let at = now(tick * 10);
        bench.stage.tick(at, &mut bench.effects);
        bench.stage.drain(&sources, at, &mut bench.effects);
        for effect in bench.effects.take() {
            match effect {
                Effect::Emit { outputs, .. } => requests.extend(outputs),
                Effect::Release { ids } => {
                    assert_eq!(at.monotonic, DRAIN_PATIENCE);
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
    assert_eq!(note(&bench, "batch_waiting_alerts"), 0);

    let mut next = successor(&requests, now(1_300));
    for id in &released {
        assert!(matches!(at_offset(&mut next, id.offset, &offsets[&id.offset], now(1_300)), Verdict::Hold));
    }
    for tick in 0..10 {
        requests.extend(left(&mut next, now(2_000 + tick * 200)));
    }
    let codec = contracts::Codec::new();
    let asked: Vec<String> = requests
        .iter()
        .map(|output| codec.decode::<FeatureRequest>(output.payload.as_slice(), &OwnSchemas).unwrap())
        .flat_map(|request| request.correlation_ids)
        .collect();
    assert_eq!(asked.len(), 650);
    assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), symbols(650).collect());
}
